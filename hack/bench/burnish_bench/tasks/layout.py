"""PicoDet on documents: pages with a title, columns, pictures and tables."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from burnish_bench.tasks.base import CALIBRATION, Arrays, Example, Read, Scores, Task, carried_by
from burnish_bench.tasks.boxes import f1, matched, suppressed
from burnish_bench.tasks.detection import PHOTOGRAPHS
from burnish_bench.tasks.typesetting import font, some_words, words
from burnish_bench.zoo import DOCUMENT_LAYOUT
from burnish_demo.pages import scanned
from burnish_demo.photos import crop
from burnish_demo.pictures import load
from burnish_runtime.session import Array

HEIGHT, WIDTH = 800, 608
STRIDES = (8, 16, 32, 64)
COUNTS = {CALIBRATION: 64, "evaluation": 128}
SEEDS = {CALIBRATION: 31, "evaluation": 32}
CONFIDENCE = 0.4
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def documents(kind: str, _: Path) -> Iterator[Example]:
    """Pages as the model's own package prepares them: resized to 800 × 608, ImageNet's mean and deviation."""
    for index in range(COUNTS[kind]):
        random = np.random.default_rng((SEEDS[kind], index))
        page = scanned(random, document(random, kind), float(random.uniform(0, 0.6)))
        pixels = np.asarray(page.convert("RGB").resize((WIDTH, HEIGHT)), np.float32)
        image = ((pixels / 255 - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None]
        yield Example({"image": np.ascontiguousarray(image, np.float32)})


def document(random: np.random.Generator, kind: str) -> Image.Image:
    """A4 at 75 dots per inch: a title, then blocks in one or two columns."""
    page = Image.new("L", (620, 877), int(random.integers(225, 256)))
    face = font("DejaVuSans-Bold", int(random.integers(18, 28)))
    ImageDraw.Draw(page).text((50, 40), some_words(random, words(kind), 34), fill=10, font=face)
    columns = int(random.integers(1, 3))
    width = (page.width - 100 - 20 * (columns - 1)) // columns
    for column in range(columns):
        left, y = 50 + column * (width + 20), 95
        while y < 760:
            block = (_paragraph, _paragraph, _picture, _table)[int(random.integers(4))]
            y = block(random, page, kind, (left, y, width)) + int(random.integers(12, 28))
    return page


def _paragraph(random: np.random.Generator, page: Image.Image, kind: str, at: tuple[int, int, int]) -> int:
    left, y, width = at
    face, draw = font("DejaVuSerif", 10), ImageDraw.Draw(page)
    for _ in range(int(random.integers(5, 14))):
        if y > 820:
            break
        draw.text((left, y), some_words(random, words(kind), int(width / 6.2)), fill=20, font=face)
        y += 14
    return y


def _picture(random: np.random.Generator, page: Image.Image, kind: str, at: tuple[int, int, int]) -> int:
    left, y, width = at
    height = min(int(width * random.uniform(0.4, 0.8)), 830 - y)
    names = PHOTOGRAPHS[kind]
    photograph = crop(random, load(names[int(random.integers(1, len(names)))]))
    page.paste(photograph.resize((width, height)).convert("L"), (left, y))
    caption = f"Figure {int(random.integers(1, 9))}. {some_words(random, words(kind), 40)}"
    ImageDraw.Draw(page).text((left + 10, y + height + 4), caption, fill=20, font=font("DejaVuSans", 9))
    return y + height + 18


def _table(random: np.random.Generator, page: Image.Image, kind: str, at: tuple[int, int, int]) -> int:
    left, y, width = at
    draw, rows, columns = ImageDraw.Draw(page), int(random.integers(4, 9)), int(random.integers(3, 6))
    for row in range(rows):
        draw.line((left, y, left + width, y), fill=40)
        for column in range(columns):
            text = some_words(random, words(kind), 8) if row == 0 else f"{random.uniform(0, 99):.2f}"
            place = (left + 4 + column * width // columns, y + 3)
            draw.text(place, text, fill=20, font=font("DejaVuSans", 9))
        y += 18
    draw.line((left, y, left + width, y), fill=40)
    return y


def box_reader(_: Path) -> Read:
    """[class, left, top, right, bottom] of every box above `CONFIDENCE`, by class, the best first."""

    def read(outputs: Arrays) -> list[list[float]]:
        arrays = [array[0] for array in outputs.values()]
        half = len(arrays) // 2
        decoded = [decode(*level) for level in zip(arrays[half:], STRIDES, strict=True)]
        return _kept(np.concatenate(decoded), np.concatenate(arrays[:half]))

    return read


def decode(distributions: Array, stride: int) -> Array:
    """Boxes [N, 4] of one level of the pyramid.

    Args: distributions: [N, 4·bins]: logits over distances left, up, right, down from each cell's middle.
    Source: Li et al. 2020 (generalized focal loss): a distance is the mean of its distribution.
    """
    columns = WIDTH // stride if WIDTH % stride == 0 else math.ceil(WIDTH / stride)
    logits = distributions.reshape(len(distributions), 4, -1).astype(np.float64)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    distance = weights @ np.arange(logits.shape[-1]) * stride
    cells = np.arange(len(distributions))
    middle = np.stack([cells % columns + 0.5, cells // columns + 0.5], axis=1) * stride
    boxes = np.concatenate([middle - distance[:, :2], middle + distance[:, 2:]], axis=1)
    return np.asarray(np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]))


def _kept(boxes: Array, scores: Array) -> list[list[float]]:
    kept: list[list[float]] = []
    for number in range(scores.shape[1]):
        sure = np.flatnonzero(scores[:, number] > CONFIDENCE)
        for index in suppressed(boxes[sure], scores[sure, number]):
            kept.append([float(number), *(round(float(v), 2) for v in boxes[sure[index]])])
    return kept


def score(found: Sequence[Any], _: Sequence[Any], reference: Sequence[Any]) -> Scores:
    """F1 of boxes of the same class at IoU 0.5 with the reference's."""
    pairs = sum(
        matched(_of(f, number), _of(r, number))
        for f, r in zip(found, reference, strict=True)
        for number in {int(box[0]) for box in r}
    )
    wanted = sum(map(len, reference))
    return Scores(f1(pairs, sum(map(len, found)), wanted), {"boxes": float(wanted)})


def _of(boxes: list[list[float]], number: int) -> list[list[float]]:
    return [box[1:] for box in boxes if int(box[0]) == number]


def agreement(outputs: Arrays, reference: Arrays, _: Array | None) -> float:
    """One page's F1 of boxes: what ours is asked to keep."""
    read = box_reader(Path())
    return score([read(outputs)], [None], [read(reference)]).value


LAYOUT = Task(
    "layout",
    carried_by(DOCUMENT_LAYOUT.wheel),
    "F1 of boxes of a class at IoU 0.5 with the reference's",
    "entry:burnish_bench.tasks.layout:agreement",
    documents,
    box_reader,
    score,
)
