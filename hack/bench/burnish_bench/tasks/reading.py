"""PP-OCR's recognizer (what a line says) and its direction classifier (which way up a line is)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from burnish_bench.tasks.base import CALIBRATION, Example, Read, Scores, Task, carried_by
from burnish_bench.tasks.strings import character_error_rate, greedy
from burnish_bench.tasks.typesetting import line_image, some_words, strip, words
from burnish_bench.zoo import TEXT_DIRECTION, TEXT_RECOGNIZER

COUNTS = {CALIBRATION: 96, "evaluation": 256}
SEEDS = {CALIBRATION: 11, "evaluation": 12}
WIDTH, DIRECTION_WIDTH, LONGEST = 320, 192, 24


def _random(kind: str, index: int) -> np.random.Generator:
    return np.random.default_rng((SEEDS[kind], index))


def lines(kind: str, model: Path) -> Iterator[Example]:
    """Lines of 4 to 24 characters, each with its text (and its characters' classes, padded with 0)."""
    classes = {character: number for number, character in enumerate(characters(model), start=1)}
    for index in range(COUNTS[kind]):
        random = _random(kind, index)
        text = some_words(random, words(kind), int(random.integers(4, LONGEST + 1)))
        label = [classes.get(character, len(classes) + 1) for character in text]
        padded = label + [0] * (LONGEST - len(label))
        yield Example({"x": strip(line_image(random, text), WIDTH)[None]}, label=padded, truth=text)


def turned_lines(kind: str, _: Path) -> Iterator[Example]:
    """Lines upright (0) and upside down (1) by turns."""
    for index in range(COUNTS[kind]):
        random = _random(kind, index)
        image = line_image(random, some_words(random, words(kind), int(random.integers(6, 16))))
        label = index % 2
        turned = image.rotate(180) if label else image
        yield Example({"x": strip(turned, DIRECTION_WIDTH)[None]}, label=label, truth=label)


def text_reader(model: Path) -> Read:
    """Texts, by the model's own characters."""
    listed = characters(model)
    return lambda outputs: greedy(next(iter(outputs.values()))[0], listed)


def characters(model: Path) -> list[str]:
    """Of classes 1, 2, …, as the model's metadata lists them; the class after the last is the space."""
    listed: dict[str, str] = {
        p.key: p.value for p in onnx.load(model, load_external_data=False).metadata_props
    }
    return listed["character"].split("\n")


def class_reader(_: Path) -> Read:
    """The best class of the first output."""
    return lambda outputs: int(np.argmax(next(iter(outputs.values())).ravel()))


def text_score(found: Sequence[Any], truth: Sequence[Any], reference: Sequence[Any]) -> Scores:
    """1 - character error rate against what was written."""
    exact = float(np.mean([a == b for a, b in zip(found, truth, strict=True)]))
    same = float(np.mean([a == b for a, b in zip(found, reference, strict=True)]))
    return Scores(1 - character_error_rate(found, truth), {"lines_right": exact, "lines_as_reference": same})


def accuracy(found: Sequence[Any], truth: Sequence[Any], reference: Sequence[Any]) -> Scores:
    """Share of right classes."""
    same = float(np.mean([a == b for a, b in zip(found, reference, strict=True)]))
    return Scores(float(np.mean([a == b for a, b in zip(found, truth, strict=True)])), {"agreement": same})


RECOGNIZER = Task(
    "rec",
    carried_by(TEXT_RECOGNIZER.wheel),
    "1 - CER of rendered lines",
    "cer",
    lines,
    text_reader,
    text_score,
    transformer=True,
)
DIRECTION = Task(
    "cls",
    carried_by(TEXT_DIRECTION.wheel),
    "accuracy on lines turned by 180°",
    "accuracy",
    turned_lines,
    class_reader,
    accuracy,
)
