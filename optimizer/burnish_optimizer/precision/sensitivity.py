"""What each part of a model costs in a lower precision: measured, one part at a time, in a worker.

The model is built with all parts but one kept in the higher precision, and its answers are compared with
those of all parts kept. Which parts there are, and what time each saves, is the backend's to say.
"""

import json
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from burnish_engine.base import Record
from burnish_engine.request import Backend
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.feeds import Feeds, to_feeds
from burnish_optimizer.ingest.files import size_bytes
from burnish_optimizer.ingest.samples import open_samples
from burnish_optimizer.precision.parts import Part, Sensitivity, merged
from burnish_optimizer.tasks import BuildResult, BuildTask, Task
from burnish_optimizer.worker import resolve
from burnish_runtime.load import open_session
from burnish_runtime.session import Array, Session

MIN_PARTS, MAX_PARTS = 6, 32
KEEP = "keep"
Answers = list[dict[str, Array]]


class _Built(NamedTuple):
    """What a mixture answers, and the size of its files."""

    answers: Answers
    size_bytes: int


class SensitivityTask(Task):
    """Measure a recipe part by part.

    build: the recipe's own task.   parts: `module:function`, given the task and feeds; tells the parts.
    samples: how many are compared.   seconds: about how long it may take; fewer, larger parts fit in less.
    """

    run: str = "burnish_optimizer.precision.sensitivity:measure"
    build: BuildTask
    backend: Backend
    parts: str
    samples: int = 6
    seconds: float = 25.0


class SensitivityResult(Record):
    """loss: of all parts together, as measured (see `Sensitivity.loss`)."""

    found: tuple[Sensitivity, ...]
    loss: float


def measure(task: SensitivityTask) -> SensitivityResult:
    """All parts, one after the other.

    Raises: Declined: the recipe has no parts, or no samples to compare.
    """
    feeds = _feeds(task)
    tell: Callable[[BuildTask, Sequence[Feeds]], tuple[Part, ...]] = resolve(task.parts)
    parts = tell(task.build, feeds)
    if len(parts) < 2:
        raise Declined("fewer than two parts: all or nothing is all there is")
    everything = [name for part in parts for name in part.names]
    exact = _answers(task, everything, feeds)
    begun = time.perf_counter()
    loss = noise(exact.answers, _answers(task, [], feeds).answers)
    each = max(time.perf_counter() - begun, 1e-3)
    parts = merged(parts, int(np.clip(task.seconds / each, MIN_PARTS, MAX_PARTS)))
    found = []
    for part in parts:
        own = set(part.names)
        alone = _answers(task, [name for name in everything if name not in own], feeds)
        sized = part.model_copy(update={"bytes_saved": exact.size_bytes - alone.size_bytes})
        found.append(Sensitivity(part=sized, loss=noise(exact.answers, alone.answers)))
    return SensitivityResult(found=tuple(found), loss=loss)


def noise(expected: Answers, found: Answers) -> float:
    """Mean over samples of noise power over signal power, of the worst output; 1e6 where numbers are lost."""
    return float(np.mean([_of_sample(e, f) for e, f in zip(expected, found, strict=True)]))


LOST = 1e6


def _of_sample(expected: dict[str, Array], found: dict[str, Array]) -> float:
    worst = 0.0
    for name, array in expected.items():
        if array.dtype.kind != "f" or not array.size:
            continue
        wanted, error = array.astype(np.float64), found[name].astype(np.float64) - array
        power = float(np.sum(np.square(error)) / max(float(np.sum(np.square(wanted))), 1e-30))
        worst = max(worst, power if np.isfinite(power) else LOST)
    return min(worst, LOST)


def _feeds(task: SensitivityTask) -> list[Feeds]:
    data = task.build.calibration or task.build.judged
    if data is None:
        raise Declined("no samples to compare answers on")
    samples = islice(open_samples(data, task.build.inputs), task.samples)
    return [to_feeds(sample.arrays, task.build.inputs) for sample in samples]


def _answers(task: SensitivityTask, keep: Sequence[str], feeds: Sequence[Feeds]) -> _Built:
    with TemporaryDirectory(prefix="burnish-part-", dir=task.build.folder) as folder:
        session = open_kept(task.build, task.backend, keep, Path(folder))
        try:
            return _Built([session.run(feed) for feed in feeds], size_bytes(Path(folder)))
        finally:
            session.close()


def open_kept(task: BuildTask, backend: Backend, keep: Sequence[str], folder: Path) -> Session:
    """The recipe's model with these parts kept in the higher precision, built in `folder` and loaded."""
    settings = {**task.settings, KEEP: json.dumps(list(keep))}
    settings.pop("static", None)  # the answers are the same, and compiling takes time
    own = task.model_copy(update={"folder": str(folder), "settings": settings})
    built: BuildResult = resolve(task.run)(task=own)
    return open_session(folder / built.model, backend, built.options or task.options)
