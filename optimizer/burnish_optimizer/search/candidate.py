"""One candidate from recipe to figures. Whatever breaks becomes its evidence; nothing here raises for it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from burnish_engine.descriptor import RunOptions, TensorSpec
from burnish_engine.report import Accuracy, GateResult, Measurement
from burnish_engine.request import Minimize, OptimizationRequest
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.errors import Declined, WorkerFailed
from burnish_optimizer.gates.accuracy import accuracy_gate, summarize
from burnish_optimizer.gates.checks import batch_gate, finite_gate, signature_gate
from burnish_optimizer.ingest.files import size_bytes
from burnish_optimizer.measure.client import ProbeProcess
from burnish_optimizer.measure.interleave import Windows, interleave
from burnish_optimizer.measure.process import run_worker
from burnish_optimizer.measure.statistics import Rounds, flatten, latency, ratio, throughput
from burnish_optimizer.search.select import Figures
from burnish_optimizer.tasks import BuildResult, BuildTask, Opened, ProbeTask

# A first look this many times slower than the baseline's settles it where speed is the objective.
HOPELESS = 4.0


@dataclass(frozen=True)
class Attempt:
    """What became of a recipe: a reason that ended it early, else gates, and figures where measured.

    options: what it is run with.   skipped, declined: never built.   failed: broke.
    hopeless: so slow that it was not judged.
    """

    recipe: Recipe
    seconds: float = 0.0
    model: Path | None = None
    options: RunOptions = field(default_factory=RunOptions)
    skipped: str = ""
    declined: str = ""
    failed: str = ""
    hopeless: str = ""
    gates: tuple[GateResult, ...] = ()
    accuracy: Accuracy | None = None
    figures: Figures | None = None
    opened: Opened | None = None


@dataclass(frozen=True)
class Bench:
    """What all candidates of a run share."""

    request: OptimizationRequest
    baseline: ProbeProcess
    baseline_opened: Opened
    baseline_size_bytes: int
    probe: Callable[[Path, Recipe, RunOptions], ProbeTask]
    folder: Path
    memory_bytes: int
    windows: Windows
    clock: Callable[[], float]


def attempt(recipe: Recipe, task: BuildTask, bench: Bench, seconds: float) -> Attempt:
    """Build, load, judge and measure one candidate, each in a process of its own, within `seconds`."""
    begun = bench.clock()
    deadline = begun + seconds
    result = Attempt(recipe)
    folder = Path(task.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = bench.folder / "work" / recipe.name
        built = run_worker(task, BuildResult, work, seconds=seconds, memory_bytes=bench.memory_bytes)
        result = replace(result, model=folder / built.model, options=built.options or task.options)
        left = max(1.0, deadline - bench.clock())
        probe = bench.probe(folder / built.model, recipe, result.options)
        with ProbeProcess(probe, work / "probe", seconds=left, memory_bytes=bench.memory_bytes) as candidate:
            result = _examine(result, candidate, bench, folder, deadline)
    except Declined as reason:
        result = replace(result, declined=str(reason))
    except WorkerFailed as error:
        result = replace(result, failed=error.found)
    return replace(result, seconds=bench.clock() - begun)


def _examine(
    result: Attempt, candidate: ProbeProcess, bench: Bench, folder: Path, deadline: float
) -> Attempt:
    opened = candidate.open()
    result = replace(result, opened=opened, gates=(_signature(opened, bench),))
    hopeless = _hopeless(opened, bench)
    if hopeless or not result.gates[0].passed:
        return replace(result, hopeless=hopeless)
    candidate.seconds = max(1.0, deadline - bench.clock())
    gates, accuracy = judge(candidate, bench.request)
    result = replace(result, gates=(*result.gates, *gates), accuracy=accuracy)
    if not all(gate.passed for gate in result.gates):
        return result
    candidate.seconds = max(1.0, deadline - bench.clock())
    patience = min(bench.windows.patience_seconds, candidate.seconds)
    windows = replace(bench.windows, patience_seconds=patience)
    rounds = interleave(bench.baseline, candidate, windows, bench.clock)
    return replace(result, figures=_figures(rounds, opened, size_bytes(folder), bench))


def judge(
    candidate: ProbeProcess, request: OptimizationRequest
) -> tuple[tuple[GateResult, ...], Accuracy | None]:
    """The gates on answers: finite, the metric, and the batch law."""
    scores = candidate.judge().scores
    accuracy = summarize(scores, request.metric)
    gates = (finite_gate(scores), accuracy_gate(accuracy, request), batch_gate(candidate.batch()))
    return gates, accuracy


def measurement(latencies: tuple[float, ...], opened: Opened, size: int, batch: int) -> Measurement:
    """Figures of one side."""
    return Measurement(
        latency_seconds=latency(latencies),
        throughput_per_second=throughput(latencies, batch),
        peak_memory_bytes=opened.peak_memory_bytes,
        load_seconds=opened.load_seconds,
        size_bytes=size,
        samples=len(latencies),
    )


def source_signature(opened: Opened) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs, as gates compare them."""
    return opened.inputs, opened.outputs


def _signature(opened: Opened, bench: Bench) -> GateResult:
    return signature_gate(source_signature(bench.baseline_opened), source_signature(opened))


def _figures(rounds: Rounds, opened: Opened, size: int, bench: Bench) -> Figures:
    taken, beside = flatten(rounds.candidate), flatten(rounds.baseline)
    goal, batch = bench.request.latency, bench.request.batch
    return Figures(
        measurement=measurement(taken, opened, size, batch),
        baseline=measurement(beside, bench.baseline_opened, bench.baseline_size_bytes, batch),
        p50_ratio=ratio(rounds),
        mean_ratio=ratio(rounds, percent=None),
        goal_seconds=float(np.percentile(taken, goal.percentile)) if goal else None,
    )


def _hopeless(opened: Opened, bench: Bench) -> str:
    if bench.request.minimize not in (Minimize.LATENCY, Minimize.COST):
        return ""
    times = float(np.min(opened.latencies_seconds) / np.median(bench.baseline_opened.latencies_seconds))
    if times < HOPELESS:
        return ""
    return f"{times:.1f} × the baseline's latency at first look: neither judged nor measured further"
