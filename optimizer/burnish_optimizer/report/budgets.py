"""What the accuracy budget would have to be for a faster engine to win. Pure.

Only candidates that nothing but the accuracy gate refused count, and only those whose speed was measured.
"""

import math
from collections.abc import Iterable

from burnish_engine.base import Record
from burnish_engine.report import Accuracy, CandidateReport, Estimate, Report
from burnish_engine.request import OptimizationRequest, Precision

GATE = "accuracy"
DROP, FLOOR, SAMPLES = "max_drop", "minimum", "samples"
DIGITS = 4


class Budget(Record):
    """A limit that lets a faster candidate through the accuracy gate, as far as its samples tell.

    option: `max_drop` or `minimum`, whichever the request is judged by; `samples` where the limit is kept and
    there are only too few samples to tell.   value: the tightest limit that admits it, rounded to the safe
    side; or about how many samples are needed.   faster_than_winner: its speed over the winner's.
    needs_samples: with so many samples, more than there were, a tighter limit may do; None: not known.
    """

    recipe: str
    option: str
    value: float
    speedup: Estimate
    faster_than_winner: float
    needs_samples: int | None = None


def budgets(report: Report, winner: Estimate | None) -> tuple[Budget, ...]:
    """Samples first, then the tightest limit; each lets a faster candidate through than the one before it.

    Args: winner: its speed-up over the baseline.
    """
    if winner is None:
        return ()
    found = [b for c in report.candidates if (b := _budget(c, report.request, winner)) is not None]
    return tuple(_worth_more(sorted(found, key=_cost)))


def _cost(budget: Budget) -> tuple[bool, float, float]:
    value = -budget.value if budget.option == FLOOR else budget.value
    return budget.option != SAMPLES, value, -budget.speedup.value


def _worth_more(ordered: Iterable[Budget]) -> Iterable[Budget]:
    best = 1.0
    for budget in ordered:
        if budget.faster_than_winner > best:
            best = budget.faster_than_winner
            yield budget


def _budget(candidate: CandidateReport, request: OptimizationRequest, winner: Estimate) -> Budget | None:
    accuracy, speedup = candidate.accuracy, candidate.speedup
    failed = {gate.name for gate in candidate.gates if not gate.passed}
    if failed != {GATE} or accuracy is None or speedup is None:
        return None
    option, value = _limit(accuracy, request, is_exact=candidate.precision is Precision.FP32)
    needed = accuracy.samples_needed if (accuracy.samples_needed or 0) > accuracy.samples else None
    if _is_kept(option, value, request):
        if needed is None:
            return None
        option, value, needed = SAMPLES, float(needed), None
    return Budget(
        recipe=candidate.recipe,
        option=option,
        value=value,
        speedup=speedup,
        faster_than_winner=speedup.value / winner.value,
        needs_samples=needed,
    )


def _is_kept(option: str, value: float, request: OptimizationRequest) -> bool:
    """Whether the limit of the request is kept, so that something else kept the gate shut."""
    if option == FLOOR:
        return request.floor is not None and value >= request.floor
    return request.allowed_drop is not None and value <= request.allowed_drop


def _limit(accuracy: Accuracy, request: OptimizationRequest, *, is_exact: bool) -> tuple[str, float]:
    """The gate judges FP32 at the estimate, all else at the interval's bad end."""
    scale = 10.0**DIGITS
    if request.floor is not None:
        floor = accuracy.value if is_exact else accuracy.interval[0]
        return FLOOR, math.floor(floor * scale) / scale
    bad_end = accuracy.drop_interval[1] if accuracy.drop_interval and not is_exact else accuracy.drop
    return DROP, math.ceil(max(0.0, bad_end) * scale) / scale
