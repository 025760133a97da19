"""Image classifiers that nobody trained: the light zoo of ONNX's wheel, its weights drawn anew.

Their classes mean nothing, but which of them wins does: whether a fast form still tells pictures apart as
the source does. Small margins between classes make them harder than trained models.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from burnish_bench.places import suites_folder
from burnish_bench.tasks.base import CALIBRATION, Example, Scores, Task
from burnish_bench.tasks.detection import PHOTOGRAPHS
from burnish_bench.tasks.reading import class_reader
from burnish_demo.photos import crop
from burnish_demo.pictures import load
from support.onnx_suites import LIGHT, cases, fed

SIDE = 224
CROPS = {CALIBRATION: 10, "evaluation": 30}
SEEDS = {CALIBRATION: 51, "evaluation": 52}
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def crops(kind: str, model: Path) -> Iterator[Example]:
    """Crops of photographs, with ImageNet's mean and deviation."""
    random = np.random.default_rng(SEEDS[kind])
    name = fed(onnx.load(model, load_external_data=False))[0].name
    for photograph in PHOTOGRAPHS[kind]:
        picture = load(photograph)
        for _ in range(CROPS[kind]):
            pixels = np.asarray(crop(random, picture).resize((SIDE, SIDE)), np.float32) / 255
            image = ((pixels - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None]
            yield Example({name: np.ascontiguousarray(image, np.float32)})


def score(found: Sequence[Any], _: Sequence[Any], reference: Sequence[Any]) -> Scores:
    """Share of pictures whose class is the reference's, and how many classes the reference tells apart."""
    same = float(np.mean([a == b for a, b in zip(found, reference, strict=True)]))
    return Scores(same, {"classes": float(len(set(reference)))})


def classifier(name: str) -> Task:
    """One model of the light zoo."""
    return Task(
        name, _model(name), "top-1 agreement with the reference", "agreement", crops, class_reader, score
    )


def _model(name: str) -> Callable[[], Path]:
    return lambda: next(c.model for c in cases(suites_folder(), (LIGHT,)) if c.name == name)
