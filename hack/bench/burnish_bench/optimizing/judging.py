"""What every tool's answers are worth, computed alike for all."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from burnish_bench.optimizing.cells import Built
from burnish_bench.optimizing.datasets import Data
from burnish_bench.optimizing.sides import SideFailed, SideProcess
from burnish_bench.tasks.base import Task

ANSWERS_SECONDS = 1200.0
JUDGED = "judged.json"


@dataclass(frozen=True)
class Judged:
    """metric: of the task, higher is better.   cosine: of the output that agrees least, mean over samples.
    key: of the build that was judged, and of how.   failed: why nothing is known."""

    key: str = ""
    samples: int = 0
    metric: float | None = None
    cosine: float | None = None
    worst_error: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True)
class Reference:
    """The untouched model, every graph optimization off: its answers on disk, its predictions, its metric."""

    folder: Path
    predictions: list[Any]
    metric: float
    more: Mapping[str, float]


def reference(task: Task, data: Data, folder: Path, threads: int) -> Reference:
    """Run it, or take its answers of an earlier run on the same data.

    Raises: SideFailed: the model itself does not run.
    """
    kept = folder / f"{data.version}-{data.code}.json"
    if kept.is_file():
        predictions = json.loads(kept.read_text(encoding="utf-8"))
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        built = Built("reference", "", model=str(data.model))
        with SideProcess(built, folder / "log") as side:
            side.open(task.name, data.evaluation, threads, graph_optimization="disabled")
            predictions = _answers(side, data, folder, write=True)["predictions"]
        kept.write_text(json.dumps(predictions), encoding="utf-8")
    scores = task.score(predictions, data.truths, predictions)
    return Reference(folder, predictions, scores.value, scores.more)


def judge(task: Task, data: Data, built: Built, right: Reference, folder: Path, *, threads: int) -> Judged:
    """A tool's answers beside the reference's and the truth; kept until the build changes."""
    if built.failed:
        return Judged(built.key, failed=built.failed)
    key = f"{built.key}-{data.code}"
    if (kept := _kept(folder / JUDGED)) and kept.key == key:
        return kept
    try:
        with SideProcess(built, folder / "judge.log") as side:
            side.open(task.name, data.evaluation, threads)
            told = _answers(side, data, right.folder, write=False)
    except SideFailed as error:
        found = Judged(key, failed=str(error))
    else:
        scores = task.score(told["predictions"], data.truths, right.predictions)
        found = Judged(
            key,
            len(told["predictions"]),
            scores.value,
            told["cosine"],
            told["worst_error"],
            dict(scores.more),
        )
    (folder / JUDGED).write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
    return found


def _answers(side: SideProcess, data: Data, folder: Path, *, write: bool) -> dict[str, Any]:
    return side.answers(
        ANSWERS_SECONDS, model=str(data.model), judged=str(data.judged), reference=str(folder), write=write
    )


def _kept(path: Path) -> Judged | None:
    try:
        return Judged(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
