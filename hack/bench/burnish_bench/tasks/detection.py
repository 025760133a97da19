"""PP-OCR's text detector: rendered lines with known boxes, on paper and on photographs, and real pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from burnish_bench.tasks.base import CALIBRATION, Arrays, Example, Read, Scores, Task, carried_by
from burnish_bench.tasks.boxes import agreement, f1, matched, text_boxes
from burnish_bench.tasks.typesetting import any_font, some_words, words
from burnish_demo.models import TEXT_DETECTOR
from burnish_demo.photos import crop, preprocess
from burnish_demo.pictures import load

SIDE = 320
MARGIN = 3  # between ink and box, pixels: what annotators leave
RENDERED = {CALIBRATION: 48, "evaluation": 128}
CROPS = {CALIBRATION: 6, "evaluation": 12}
PHOTOGRAPHS = {
    CALIBRATION: (
        "page.png",
        "coffee.png",
        "rocket.jpg",
        "camera.png",
        "brick.png",
        "coins.png",
        "color.png",
    ),
    "evaluation": (
        "text.png",
        "astronaut.png",
        "motorcycle_left.png",
        "chelsea.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "gravel.png",
    ),
}
SEEDS = {CALIBRATION: 21, "evaluation": 22}


def pictures(kind: str, _: Path) -> Iterator[Example]:
    """Rendered lines first (truth: their boxes), then crops of photographs (truth: None)."""
    for index in range(RENDERED[kind]):
        image, boxes = poster(np.random.default_rng((SEEDS[kind], index)), kind)
        yield Example({"x": preprocess(image)[None]}, truth=boxes)
    random = np.random.default_rng(SEEDS[kind])
    for name in PHOTOGRAPHS[kind]:
        for _number in range(CROPS[kind]):
            yield Example({"x": preprocess(crop(random, load(name)))[None]})


def poster(random: np.random.Generator, kind: str) -> tuple[Image.Image, list[list[float]]]:
    """Lines of text on plain paper, or on a photograph; and their boxes."""
    if random.random() < 0.5:
        image = Image.new("RGB", (SIDE, SIDE), (int(random.integers(170, 256)),) * 3)
        colour = (int(random.integers(0, 80)),) * 3
    else:
        name = PHOTOGRAPHS[kind][int(random.integers(1, len(PHOTOGRAPHS[kind])))]  # [0] has text of its own
        image = crop(random, load(name)).resize((SIDE, SIDE)).convert("RGB")
        colour = (255, 255, 255) if np.asarray(image).mean() < 128 else (0, 0, 0)
    boxes = list(_set(random, image, kind, colour))
    return image, boxes


def _set(
    random: np.random.Generator, image: Image.Image, kind: str, colour: tuple[int, ...]
) -> Iterator[list[float]]:
    draw, y = ImageDraw.Draw(image), float(random.integers(8, 40))
    while y < SIDE - 40:
        size = int(random.integers(14, 30))
        face = any_font(random, size)
        text = some_words(random, words(kind), int(random.integers(4, max(5, int(250 / (size * 0.6))))))
        x = int(random.integers(6, 40))
        left, top, right, bottom = draw.textbbox((x, y), text, font=face)
        if right < SIDE - MARGIN and bottom < SIDE - MARGIN:
            draw.text((x, y), text, fill=colour, font=face)
            yield [float(v) for v in (left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN)]
        y = bottom + random.uniform(0.6, 2.0) * size


def box_reader(_: Path) -> Read:
    """Boxes of the probability map [1, 1, H, W]."""

    def read(outputs: Arrays) -> list[list[float]]:
        return text_boxes(next(iter(outputs.values()))[0, 0])

    return read


def score(found: Sequence[Any], truth: Sequence[Any], reference: Sequence[Any]) -> Scores:
    """F1 of boxes at IoU 0.5: against the reference's on every picture; against the true ones where known."""
    known = [(f, t) for f, t in zip(found, truth, strict=True) if t is not None]
    pairs = sum(matched(f, t) for f, t in known)
    labelled = f1(pairs, sum(len(f) for f, _ in known), sum(len(t) for _, t in known))
    return Scores(agreement(found, reference), {"f1_of_true_boxes": labelled})


DETECTOR = Task(
    "det",
    carried_by(TEXT_DETECTOR),
    "F1 of boxes at IoU 0.5 with the reference's",
    "detection-agreement",
    pictures,
    box_reader,
    score,
)
