"""What all candidates of a run share, and the two things that are done with one: a look, and an examination.

Each is done in processes of its own. Whatever breaks becomes evidence; nothing here raises for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from burnish_engine.descriptor import RunOptions
from burnish_engine.report import Accuracy, Energy, Estimate, GateResult, Measurement
from burnish_engine.request import Backend, OptimizationRequest, Precision
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.errors import Declined, NoSpace, OutOfTime, WorkerFailed
from burnish_optimizer.gates.accuracy import accuracy_gate, missing, summarize
from burnish_optimizer.gates.checks import batch_gate, faithful_gate, finite_gate, signature_gate
from burnish_optimizer.gates.coverage import coverage_gate, of_recipe
from burnish_optimizer.ingest.files import size_bytes
from burnish_optimizer.measure.client import ProbeProcess
from burnish_optimizer.measure.interleave import Windows, interleave
from burnish_optimizer.measure.process import run_worker
from burnish_optimizer.measure.statistics import Rounds, flatten, latency, ratio, throughput, unsteady
from burnish_optimizer.search.attempt import Attempt
from burnish_optimizer.search.select import Figures
from burnish_optimizer.tasks import BuildResult, BuildTask, EnergyTaken, Opened, ProbeTask

LOOK_PAIRS = 3
MIN_SECONDS = 1.0


@dataclass(frozen=True)
class Bench:
    """One run's baseline, its limits and its clock. `left`: seconds that the next step may take.

    brief: windows for a candidate that a gate has already rejected: its speed is told, not weighed.
    """

    request: OptimizationRequest
    baseline: ProbeProcess
    baseline_opened: Opened
    baseline_size_bytes: int
    task: Callable[[Recipe, Path], BuildTask]
    probe: Callable[[Path, Recipe, RunOptions], ProbeTask]
    folder: Path
    candidates: Path
    memory_bytes: int
    windows: Windows
    clock: Callable[[], float]
    left: Callable[[], float]

    @property
    def brief(self) -> Windows:
        """See above."""
        return replace(self.windows, seconds=0.0, patience_seconds=0.0)

    @property
    def baseline_seconds(self) -> float:
        """The baseline's p50 as it was when it was loaded."""
        return float(np.median(self.baseline_opened.latencies_seconds))


def look(recipe: Recipe, bench: Bench) -> Attempt:
    """Build and load a candidate, and see in a few windows how it compares."""
    return _built(recipe, bench, _looked)


def judged(recipe: Recipe, bench: Bench) -> Attempt:
    """Build and load a candidate, and judge it; its speed is left."""
    return _built(recipe, bench, _judged)


def examine(attempt: Attempt, bench: Bench) -> Attempt:
    """Judge a candidate that was looked at, and measure it beside the baseline."""
    begun = bench.clock()
    try:
        with loaded(attempt, bench) as candidate:
            attempt = _judged(_opened(attempt, candidate, bench), candidate, bench)
            if attempt.passed or attempt.lost_accuracy:
                windows = bench.windows if attempt.passed else bench.brief
                attempt = _measured(attempt, candidate, windows, bench)
    except (Declined, WorkerFailed) as error:
        attempt = ended_by(attempt, error, bench)
    return _timed(attempt, begun, bench)


def measure(attempt: Attempt, bench: Bench) -> Attempt:
    """Measure a candidate beside the baseline that was judged already."""
    begun = bench.clock()
    try:
        with loaded(attempt, bench) as candidate:
            candidate.open()
            attempt = _measured(attempt, candidate, bench.windows, bench)
    except (Declined, WorkerFailed) as error:
        attempt = ended_by(attempt, error, bench)
    return _timed(attempt, begun, bench)


def duel(first: Attempt, second: Attempt, bench: Bench) -> Estimate | None:
    """The first one's p50 over the second's, in turns with each other; None where one of them broke."""
    try:
        with loaded(first, bench) as one, loaded(second, bench) as other:
            one.open()
            other.open()
            return ratio(interleave(other, one, bench.windows, bench.clock))
    except (Declined, WorkerFailed):
        return None


def judge(
    candidate: ProbeProcess, request: OptimizationRequest, precision: Precision
) -> tuple[tuple[GateResult, ...], Accuracy | None]:
    """The gates on answers: finite, the metric, what the metric does not look at, and the batch law."""
    told = candidate.judge()
    accuracy = summarize(told.scores, request)
    why = "" if accuracy else told.fault or missing(told.scores, request)
    gates = (
        finite_gate(told.scores),
        accuracy_gate(accuracy, request, precision, why),
        faithful_gate(told.scores, precision),
        batch_gate(candidate.batch()),
    )
    return gates, accuracy


def measurement(
    latencies: tuple[float, ...],
    opened: Opened,
    size: int,
    batch: int,
    *,
    energy: EnergyTaken | None = None,
    note: str = "",
) -> Measurement:
    """Figures of one side."""
    return Measurement(
        latency_seconds=latency(latencies),
        throughput_per_second=throughput(latencies, batch),
        peak_memory_bytes=opened.peak_memory_bytes,
        load_seconds=opened.load_seconds,
        size_bytes=size,
        samples=len(latencies),
        first_inference_seconds=opened.first_inference_seconds,
        private_memory_bytes=opened.private_memory_bytes,
        energy=_energy(energy),
        note=note,
    )


def _built(recipe: Recipe, bench: Bench, then: Callable[[Attempt, ProbeProcess, Bench], Attempt]) -> Attempt:
    begun = bench.clock()
    folder, work = bench.candidates / recipe.name, bench.folder / "work" / recipe.name
    attempt = Attempt(recipe=recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        task = bench.task(recipe, folder)
        built = run_worker(task, BuildResult, work, seconds=bench.left(), memory_bytes=bench.memory_bytes)
        attempt = _told(attempt, built, task)
        if built.unmeasured:
            attempt = _stood_in(attempt, folder / built.stand_in, bench)
        else:
            with loaded(attempt, bench) as candidate:
                attempt = then(_opened(attempt, candidate, bench), candidate, bench)
    except (Declined, WorkerFailed) as error:
        attempt = ended_by(attempt, error, bench)
    return _timed(attempt, begun, bench)


def ended_by(attempt: Attempt, error: Declined | WorkerFailed, bench: Bench) -> Attempt:
    """With what ended it early: a reason not to, evidence of what broke, or that the run's time was up."""
    if isinstance(error, Declined):
        return attempt.model_copy(update={"declined": str(error)})
    if isinstance(error, OutOfTime) and bench.left() < MIN_SECONDS:
        budget = bench.request.budget_seconds or 0.0
        late = f"not finished within the budget of {budget:g} s"
        return attempt.model_copy(update={"skipped": late, "again": True})
    return attempt.model_copy(update={"failed": error.found, "again": isinstance(error, NoSpace)})


def _told(attempt: Attempt, built: BuildResult, task: BuildTask) -> Attempt:
    """With what its builder gave: files beside the model are the engine's, others are not."""
    model = Path(task.folder) / built.model
    told = {
        "model": model,
        "options": built.options or task.options,
        "size_bytes": size_bytes(model.parent),
        "coverage": built.coverage,
        "unmeasured": built.unmeasured,
        "notes": built.notes,
        "conversion": built.conversion,
    }
    return attempt.model_copy(update=told)


def _stood_in(attempt: Attempt, graph: Path, bench: Bench) -> Attempt:
    """Judge what cannot be run here by the graph that it was built from, in ONNX Runtime on the CPU."""
    options = RunOptions(threads=attempt.options.threads)
    recipe = attempt.recipe.model_copy(update={"backend": Backend.ONNXRUNTIME})
    stand_in = attempt.model_copy(update={"model": graph, "options": options, "recipe": recipe})
    with loaded(stand_in, bench) as candidate:
        return _judged(_opened(attempt, candidate, bench), candidate, bench)


def _opened(attempt: Attempt, candidate: ProbeProcess, bench: Bench) -> Attempt:
    """Loaded, with the gates on its signature and on where it runs; its builder's word goes first."""
    opened, before = candidate.open(), bench.baseline_opened
    coverage = of_recipe(attempt.coverage or opened.coverage, attempt.recipe.precision)
    gates = (
        signature_gate((before.inputs, before.outputs), (opened.inputs, opened.outputs)),
        coverage_gate(coverage, allow_fallback=bench.request.allow_fallback),
    )
    return attempt.model_copy(update={"opened": opened, "coverage": coverage, "gates": gates})


@contextmanager
def loaded(attempt: Attempt, bench: Bench) -> Iterator[ProbeProcess]:
    """A candidate that was built, in a process of its own. Raises: WorkerFailed, Declined."""
    if attempt.model is None:
        raise WorkerFailed(attempt.recipe.name, found="no model", expected="one that was built")
    task = bench.probe(attempt.model, attempt.recipe, attempt.options)
    work = bench.folder / "work" / attempt.recipe.name / "probe"
    seconds = max(MIN_SECONDS, bench.left())
    with ProbeProcess(task, work, seconds=seconds, memory_bytes=bench.memory_bytes) as probe:
        yield probe


def _looked(attempt: Attempt, candidate: ProbeProcess, bench: Bench) -> Attempt:
    if not all(gate.passed for gate in attempt.gates):
        return attempt
    windows = replace(bench.brief, min_pairs=LOOK_PAIRS)
    rounds = interleave(bench.baseline, candidate, windows, bench.clock)
    return attempt.model_copy(update={"looked": ratio(rounds).value})


def _judged(attempt: Attempt, candidate: ProbeProcess, bench: Bench) -> Attempt:
    candidate.seconds = max(MIN_SECONDS, bench.left())
    gates, accuracy = judge(candidate, bench.request, attempt.recipe.precision)
    return attempt.model_copy(update={"gates": (*attempt.gates, *gates), "accuracy": accuracy})


def _measured(attempt: Attempt, candidate: ProbeProcess, windows: Windows, bench: Bench) -> Attempt:
    candidate.seconds = max(MIN_SECONDS, bench.left())
    bounded = replace(windows, patience_seconds=min(windows.patience_seconds, candidate.seconds))
    bench.baseline.energy()  # what earlier candidates made it use
    rounds = interleave(bench.baseline, candidate, bounded, bench.clock)
    energy = (candidate.energy(), bench.baseline.energy())
    return attempt.model_copy(update={"figures": _figures(rounds, energy, attempt, bench)})


def _figures(
    rounds: Rounds, energy: tuple[EnergyTaken, EnergyTaken], attempt: Attempt, bench: Bench
) -> Figures | None:
    taken, beside = flatten(rounds.candidate), flatten(rounds.baseline)
    note = unsteady(rounds, bench.windows.precision)
    goal, batch = bench.request.latency, bench.request.batch
    if attempt.opened is None:
        return None
    return Figures(
        measurement=measurement(
            taken, attempt.opened, attempt.size_bytes, batch, energy=energy[0], note=note
        ),
        baseline=measurement(
            beside, bench.baseline_opened, bench.baseline_size_bytes, batch, energy=energy[1]
        ),
        p50_ratio=ratio(rounds),
        mean_ratio=ratio(rounds, percent=None),
        goal_seconds=float(np.percentile(taken, goal.percentile)) if goal else None,
    )


def _energy(taken: EnergyTaken | None) -> Energy | None:
    if taken is None or taken.joules is None or not taken.requests:
        return None
    return Energy(joules_per_request=taken.joules / taken.requests, domains=taken.domains)


def _timed(attempt: Attempt, begun: float, bench: Bench) -> Attempt:
    return attempt.model_copy(update={"seconds": attempt.seconds + bench.clock() - begun})
