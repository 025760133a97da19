"""The search beside trying everything: how much of the best it finds, and in what time.

Everything: a run of its own for each recipe, so that none is ended by what another one did, and long windows.
"""

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burnish_bench.optimizing.cells import Built
from burnish_bench.optimizing.datasets import Data
from burnish_bench.optimizing.rounds import Measured, measure
from burnish_bench.optimizing.tools import BASELINE, MAX_DROP
from burnish_bench.tasks.base import Task
from burnish_engine.errors import BurnishError
from burnish_engine.report import Report
from burnish_engine.request import Metric, OptimizationRequest
from burnish_optimizer.backends.recipes import RECIPES, Recipe
from burnish_optimizer.job import Input, OptimizeJob
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.optimize import optimize
from burnish_optimizer.search.plan import machine_refusal
from burnish_optimizer.targets.fingerprint import fingerprint
from burnish_optimizer.targets.toolchain import is_installed

LONG = Windows(seconds=8.0, patience_seconds=8.0, precision=0.002)
SEARCH = "search"


@dataclass(frozen=True)
class Tried:
    """One run: the engine's folder, what won, its speed-up as the run measured it, seconds of the run."""

    name: str
    engine: str
    selected: str
    speedup: float
    seconds: float
    tried: int
    failed: str = ""


@dataclass(frozen=True)
class Share:
    """share: speed-up of what the search found over that of the best of all, measured again, in turns.

    recipes: that this machine can run at all.
    """

    model: str
    search: Tried
    best: Tried
    every: tuple[Tried, ...]
    recipes: int
    share: float
    found: Measured
    exhaustive: Measured

    def facts(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return asdict(self)


def compare(task: Task, data: Data, folder: Path, *, threads: int, seconds: float) -> Iterator[Tried | Share]:
    """Each run as it ends, at last the share. Every run starts from nothing: a cache would tell no time."""
    shutil.rmtree(folder, ignore_errors=True)
    found = _run(task, data, folder, RECIPES, name=SEARCH, threads=threads)
    yield found
    every = []
    recipes = runnable()
    for recipe in recipes:
        every.append(_run(task, data, folder, (recipe,), name=recipe.name, threads=threads, windows=LONG))
        yield every[-1]
    best = max(every, key=lambda tried: tried.speedup)
    built = {
        BASELINE: Built(BASELINE, "", model=str(data.model)),
        SEARCH: Built(SEARCH, "", model=found.engine, engine=True),
        "best": Built("best", "", model=best.engine, engine=True),
    }
    measured = measure(task, data, built, folder, threads=threads, seconds=seconds)
    share = (measured[SEARCH].speedup or 0.0) / (measured["best"].speedup or 1.0)
    yield Share(task.name, found, best, tuple(every), len(recipes), share, measured[SEARCH], measured["best"])


def runnable() -> list[Recipe]:
    """The recipes of a default request that this machine can run."""
    facts, asked = fingerprint(), OptimizationRequest()
    return [
        r for r in RECIPES if r.precision in asked.precisions and not machine_refusal(r, facts, is_installed)
    ]


def _run(
    task: Task,
    data: Data,
    folder: Path,
    recipes: Sequence[Recipe],
    *,
    name: str,
    threads: int,
    windows: Windows | None = None,
) -> Tried:
    """One run of the optimizer; a recipe that breaks it is worth the baseline."""
    engine = folder / re.sub(r"[^\w.-]", "_", name) / "engine"
    engine.parent.mkdir(parents=True)
    metric, _, entry = task.gate.partition(":")
    job = OptimizeJob(
        source=Input(str(data.model)),
        calibration=Input(str(data.calibration)),
        evaluation=Input(str(data.evaluation)),
        request=OptimizationRequest(
            metric=Metric(metric), metric_entry=entry, max_drop=MAX_DROP, threads=threads
        ),
        work_dir=folder / "work" / engine.parent.name,
        output_dir=engine,
        name=task.name,
    )
    begin = time.monotonic()
    try:
        report = optimize(job, recipes=recipes, windows=windows).report
    except BurnishError as error:
        seconds = time.monotonic() - begin
        return Tried(name, "", BASELINE, 1.0, seconds, 0, failed=str(error))
    finally:
        shutil.rmtree(job.work_dir, ignore_errors=True)
    return _told(name, engine, report, time.monotonic() - begin)


def _told(name: str, engine: Path, report: Report, seconds: float) -> Tried:
    speedup = 1.0 if report.selected.recipe == BASELINE else report.speedup or 1.0
    return Tried(name, str(engine), report.selected.recipe, speedup, seconds, len(report.candidates))
