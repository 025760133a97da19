"""A task's examples on disk: what every tool calibrates with and is judged by, made once."""

import ast
import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from burnish_bench import tasks
from burnish_bench.tasks.base import CALIBRATION, EVALUATION, Arrays, Example, Task
from burnish_demo.models import cache_root
from burnish_demo.samples import LABEL
from burnish_engine import digest as digests

CLIPS, TRUTHS, COMPLETE = "clips", "truths.json", ".complete"


@dataclass(frozen=True)
class Data:
    """Where they are: folders of `.npz`, one sample each. `judged`: what the judge's answers are of.

    version: of the model and the samples: what is built depends on it.   code: of how samples are made and
    answers are scored: what is judged depends on it, too.
    """

    model: Path
    calibration: Path
    evaluation: Path
    judged: Path
    truths: list[Any]
    version: str
    code: str


def prepare(task: Task) -> Data:
    """The task's model and data. Raises: DemoError: the model could not be fetched."""
    model = task.model()
    code = _code(model)
    folder = cache_root() / "bench-data" / f"{task.name}-{code}"
    if not (folder / COMPLETE).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _write(task, model, folder)
        (folder / COMPLETE).write_text(_contents(model, folder), encoding="utf-8")
    truths = json.loads((folder / TRUTHS).read_text(encoding="utf-8"))
    judged = folder / (CLIPS if task.clips else EVALUATION)
    version = (folder / COMPLETE).read_text(encoding="utf-8")
    return Data(model, folder / CALIBRATION, folder / EVALUATION, judged, truths, version, code)


def samples(folder: Path) -> Iterator[Arrays]:
    """Inputs by name, sample by sample, without labels."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as archive:
            yield {name: archive[name] for name in archive.files if name != LABEL}


def _write(task: Task, model: Path, folder: Path) -> None:
    _save(folder / CALIBRATION, task.examples(CALIBRATION, model))
    truths = _save(folder / EVALUATION, task.examples(EVALUATION, model))
    if task.clips:
        truths = _save(folder / CLIPS, task.clips())
    (folder / TRUTHS).write_text(json.dumps(truths), encoding="utf-8")


def _save(folder: Path, examples: Iterable[Example]) -> list[Any]:
    folder.mkdir(parents=True)
    truths = []
    for index, example in enumerate(examples):
        label = {} if example.label is None else {LABEL: np.array(example.label, np.int64)}
        np.savez(folder / f"{index:05}.npz", **example.arrays, **label)  # type: ignore[arg-type]
        truths.append(example.truth)
    return truths


def _contents(model: Path, folder: Path) -> str:
    """Of the model and every sample: code that makes the same samples leaves all that was built as it is."""
    files = [digests.of_file(path) for path in sorted(folder.rglob("*.npz"))]
    return sha256("\n".join([digests.of_file(model), *files]).encode()).hexdigest()[:12]


def _code(model: Path) -> str:
    """Of everything that decides the data: how it is made, by which Python and Pillow, for which model."""
    sources = sorted(Path(tasks.__path__[0]).glob("*.py"))
    code = [ast.dump(ast.parse(path.read_text(encoding="utf-8"))) for path in sources]
    parts = [digests.of_file(model), sys.version, PIL.__version__, *code]
    return sha256("\n".join(parts).encode()).hexdigest()[:12]
