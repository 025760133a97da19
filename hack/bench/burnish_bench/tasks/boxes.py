"""Boxes: from probability maps, and how well two sets of them agree. Pure.

A box is [left, top, right, bottom] in pixels, right and bottom excluded.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from burnish_runtime.session import Array

Boxes = Sequence[Sequence[float]]


def iou(boxes: Array, box: Array) -> Array:
    """Intersection over union of [N, 4] with one [4]: [N]."""
    corner = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = np.prod(np.clip(corner, 0, None), axis=1)
    return np.asarray(shared / np.maximum(_area(boxes) + _area(box[None]) - shared, 1e-9))


def matched(found: Boxes, expected: Boxes, threshold: float = 0.5) -> int:
    """How many pairs there are when each found box, in order, takes the best expected one that is left."""
    left = np.asarray(expected, np.float64).reshape(-1, 4)
    pairs = 0
    for box in np.asarray(found, np.float64).reshape(-1, 4):
        if not len(left):
            break
        overlap = iou(left, box)
        best = int(np.argmax(overlap))
        if overlap[best] >= threshold:
            pairs, left = pairs + 1, np.delete(left, best, axis=0)
    return pairs


def f1(pairs: int, found: int, expected: int) -> float:
    """Harmonic mean of precision and recall; 1 where nothing was to be found and nothing was."""
    return 2 * pairs / (found + expected) if found + expected else 1.0


def agreement(found: Sequence[Boxes], expected: Sequence[Boxes]) -> float:
    """F1 at IoU 0.5 over all samples together."""
    pairs = sum(map(matched, found, expected))
    return f1(pairs, sum(map(len, found)), sum(map(len, expected)))


def text_boxes(
    probability: Array, threshold: float = 0.3, least_score: float = 0.5, unclip: float = 1.6
) -> list[list[float]]:
    """Boxes in a text probability map [H, W]: regions above `threshold`, each grown by what was shrunk off.

    Source: Liao et al. 2020 (DB): a region is grown by area × `unclip` / perimeter. Regions whose mean
    probability is below `least_score`, or that are less than 3 pixels high or wide, are none. The best first.
    """
    regions, _ = ndimage.label(probability > threshold)
    scored = []
    for number, place in enumerate(ndimage.find_objects(regions), start=1):
        rows, columns = place
        height, width = rows.stop - rows.start, columns.stop - columns.start
        score = float(probability[place][regions[place] == number].mean())
        if min(height, width) >= 3 and score >= least_score:
            grown = height * width * unclip / (2 * (height + width))
            scored.append((score, _grow(rows, columns, grown, probability.shape)))
    return [box for _, box in sorted(scored, key=lambda each: -each[0])]


def suppressed(boxes: Array, scores: Array, threshold: float = 0.5) -> list[int]:
    """Non-maximum suppression: indices that stay, the best first."""
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        left = left[iou(boxes[left], boxes[best]) <= threshold]
    return kept


def _grow(rows: slice, columns: slice, by: float, shape: tuple[int, ...]) -> list[float]:
    top, bottom = max(0.0, rows.start - by), min(float(shape[0]), rows.stop + by)
    left, right = max(0.0, columns.start - by), min(float(shape[1]), columns.stop + by)
    return [round(value, 2) for value in (left, top, right, bottom)]


def _area(boxes: Array) -> Array:
    return np.asarray(np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1))
