"""What only the finalists are asked, because it takes seconds: how much they serve within the goal.

And what only the winner is asked: batches, and the golden answer that every server will want to see first.
"""

from pathlib import Path

from burnish_engine.descriptor import GoldenAnswer
from burnish_engine.report import Measurement, SustainedRate
from burnish_engine.request import Precision
from burnish_optimizer.errors import Declined, WorkerFailed
from burnish_optimizer.measure.client import ProbeProcess
from burnish_optimizer.measure.sustained import Patience, goal_of, sustain
from burnish_optimizer.search.attempt import Attempt
from burnish_optimizer.search.bench import MIN_SECONDS, Bench, loaded
from burnish_optimizer.tasks import BatchesTaken

TIMES_PATIENCE = 1.5
Rates = tuple[SustainedRate | None, SustainedRate | None]


def sustained(winner: Attempt | None, beside: Measurement, bench: Bench) -> Rates:
    """Rates that the baseline and the winner sustain, in turns; None where there is no such figure.

    Args: winner: None: the baseline won.   beside: the baseline's figures.
    """
    if bench.left() <= MIN_SECONDS:
        return None, None
    try:
        if winner is None or winner.figures is None:
            return _rates((), beside, bench)[0], None
        with loaded(winner, bench) as candidate:
            candidate.open()
            baseline, own = _rates(((candidate, winner.figures.measurement),), beside, bench)
            return baseline, own
    except (Declined, WorkerFailed):
        return None, None


def batches(winner: Attempt | None, bench: Bench) -> BatchesTaken:
    """Whether requests may share a run of the winner (None: the baseline), and what batches take."""
    try:
        if winner is None:
            return bench.baseline.batches(Precision.FP32)
        if winner.unmeasured:
            return BatchesTaken(note=winner.unmeasured)
        with loaded(winner, bench) as candidate:
            return candidate.batches(winner.recipe.precision)
    except (Declined, WorkerFailed) as error:
        return BatchesTaken(note=str(error))


def golden(winner: Attempt | None, bench: Bench, path: Path) -> GoldenAnswer | None:
    """The winner's (None: the baseline's) golden answer, written to `path`.

    None where it was built for hardware that is not here, or has no small record.
    """
    try:
        if winner is None:
            return bench.baseline.golden(path, Precision.FP32)
        if winner.unmeasured:
            return None
        with loaded(winner, bench) as candidate:
            return candidate.golden(path, winner.recipe.precision)
    except (Declined, WorkerFailed):
        return None


def _rates(
    others: tuple[tuple[ProbeProcess, Measurement], ...], beside: Measurement, bench: Bench
) -> tuple[SustainedRate | None, ...]:
    batch = bench.request.batch
    sides = [
        (probe, figures.throughput_per_second.value / batch)
        for probe, figures in ((bench.baseline, beside), *others)
    ]
    goal = goal_of(bench.request, beside.latency_seconds.p50.value)
    patience = Patience(seconds=min(TIMES_PATIENCE * bench.windows.patience_seconds, bench.left()))
    return sustain(sides, goal, batch, bench.clock, patience)
