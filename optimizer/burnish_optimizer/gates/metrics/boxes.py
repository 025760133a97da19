"""Detections from the outputs of a detector, whatever its form. Pure.

The form is read from the reference's shapes and used for both sides:
    a probability map [N, 1, H, W] (segmentation, as of PP-OCR's text detector): components above 0.3
        whose mean is at least 0.6;
    rows [k, 6] of class, score, x1, y1, x2, y2 (PaddleDetection);
    rows [1, k, 6] of x1, y1, x2, y2, score, class (end-to-end YOLO);
    boxes [k, 4] or [1, k, 4], beside scores [k], [k, C], [C, k] (with a leading 1 or without) and, for
    scores without classes, integers [k]. Corners, not centres.
Raw heads that are decoded outside of the model are none of these: a function of the user's can read them
(metric entry).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from burnish_optimizer.errors import NoFigure
from burnish_optimizer.gates.metrics import components
from burnish_runtime.session import Array

# PP-OCR's own post-processing: binarization at 0.3, nothing narrower than 3 pixels, and a box counts where
# its pixels' mean is at least 0.6 (`det_db_thresh`, `min_size`, `det_db_box_thresh`).
MAP_THRESHOLD = 0.3
MIN_SIDE = 3
MAP_BOX_SCORE = 0.6
OVERLAP = 0.5


@dataclass(frozen=True)
class Detections:
    """boxes: [k, 4] as x1, y1, x2, y2.   scores: [k].   classes: [k]."""

    boxes: Array
    scores: Array
    classes: Array

    def __len__(self) -> int:
        return len(self.scores)

    def best(self, at_least: float, most: int) -> "Detections":
        """Those of at least this score, best first, no more than so many."""
        order = np.argsort(-self.scores, kind="stable")
        chosen = order[self.scores[order] >= at_least][:most]
        return Detections(self.boxes[chosen], self.scores[chosen], self.classes[chosen])


Reader = Callable[[Sequence[Array]], Detections]


def reader(outputs: Sequence[Array]) -> Reader:
    """How to read detections from outputs of this form.

    Raises: NoFigure: none of the forms that are known.
    """
    floats = [i for i, a in enumerate(outputs) if a.dtype.kind == "f"]
    for index in floats:
        shape = outputs[index].shape
        if len(floats) == 1 and len(shape) == 4 and shape[1] == 1:
            return partial(_from_map, index)
        if len(shape) == 2 and shape[1] == 6:
            return partial(_from_rows, index, corners=(2, 3, 4, 5), score=1, kind=0)
        if len(shape) == 3 and shape[0] == 1 and shape[2] == 6:
            return partial(_from_rows, index, corners=(0, 1, 2, 3), score=4, kind=5)
    return _paired(outputs, floats)


def overlaps(one: Array, other: Array) -> Array:
    """Intersection over union of boxes [a, 4] and [b, 4]: [a, b]."""
    low = np.maximum(one[:, np.newaxis, :2], other[np.newaxis, :, :2])
    high = np.minimum(one[:, np.newaxis, 2:], other[np.newaxis, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=-1)
    areas = [np.prod(np.clip(side[:, 2:] - side[:, :2], 0, None), axis=-1) for side in (one, other)]
    union = areas[0][:, np.newaxis] + areas[1][np.newaxis] - common
    return np.asarray(common / np.maximum(union, 1e-12))


def matched(found: Detections, wanted: Detections) -> Array:
    """Which of `found` (best first) have a box of `wanted` to themselves: bool [len(found)].

    Each takes the free box of its class that it overlaps most, where IoU is at least 0.5.
    """
    hits = np.zeros(len(found), bool)
    if not len(found) or not len(wanted):
        return hits
    common = overlaps(found.boxes, wanted.boxes)
    common = np.where(found.classes[:, np.newaxis] == wanted.classes[np.newaxis], common, 0.0)
    for index in range(len(found)):
        best = int(np.argmax(common[index]))
        if common[index, best] >= OVERLAP:
            hits[index] = True
            common[:, best] = 0.0
    return hits


def _from_map(index: int, outputs: Sequence[Array]) -> Detections:
    pages = enumerate(outputs[index])
    parts = [_from_page(page[0].astype(np.float64), float(row)) for row, page in pages]
    boxes = np.concatenate([part[0] for part in parts]) if parts else np.zeros((0, 4))
    scores = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0)
    classes = np.concatenate([part[2] for part in parts]) if parts else np.zeros(0)
    return Detections(boxes, scores, classes)


def _from_page(page: Array, row: float) -> tuple[Array, Array, Array]:
    """Boxes, scores, and the row of the batch as class: boxes of two images never match."""
    page = np.nan_to_num(page, nan=0.0, posinf=1.0, neginf=0.0)
    boxes, scores = components.boxes(page > MAP_THRESHOLD, page)
    counted = np.min(boxes[:, 2:] - boxes[:, :2], axis=-1, initial=np.inf) >= MIN_SIDE
    counted &= scores >= MAP_BOX_SCORE
    return boxes[counted], scores[counted], np.full(int(counted.sum()), row)


def _from_rows(
    index: int, outputs: Sequence[Array], *, corners: tuple[int, ...], score: int, kind: int
) -> Detections:
    rows = np.nan_to_num(outputs[index].astype(np.float64).reshape(-1, 6))
    real = rows[rows[:, kind] >= 0]  # padding has class -1
    return Detections(real[:, list(corners)], real[:, score], np.rint(real[:, kind]))


def _paired(outputs: Sequence[Array], floats: Sequence[int]) -> Reader:
    boxes = next((i for i in floats if outputs[i].ndim in (2, 3) and outputs[i].shape[-1] == 4), None)
    scores = next((i for i in floats if i != boxes and 1 <= outputs[i].ndim <= 3), None)
    if boxes is None or scores is None:
        raise NoFigure("no boxes and scores, and no probability map, in a form that is known")
    batched = outputs[boxes].ndim == 3
    if batched and outputs[boxes].shape[0] != 1:
        raise NoFigure(f"boxes of {outputs[boxes].shape[0]} images in one sample, expected one")
    return partial(_from_pair, boxes, scores, batched)


def _from_pair(boxes: int, scores: int, batched: bool, outputs: Sequence[Array]) -> Detections:
    plain = [a[0] if batched and a.ndim > 1 and a.shape[0] == 1 else a for a in outputs]
    corners, marks = plain[boxes].astype(np.float64), np.nan_to_num(plain[scores].astype(np.float64))
    kinds = (a for a in plain if a.dtype.kind in "iu" and a.shape == (len(corners),))
    return _detections(np.nan_to_num(corners), marks, next(kinds, None))


def _detections(corners: Array, marks: Array, kinds: Array | None) -> Detections:
    if marks.ndim == 2:
        by_box = marks if len(marks) == len(corners) else marks.T
        if len(by_box) != len(corners):
            raise NoFigure(f"{len(corners)} boxes and scores of shape {list(marks.shape)}")
        return Detections(corners, by_box.max(axis=-1), by_box.argmax(axis=-1))
    if len(marks) != len(corners):
        raise NoFigure(f"{len(corners)} boxes and {len(marks)} scores")
    return Detections(corners, marks, np.zeros(len(marks)) if kinds is None else kinds)
