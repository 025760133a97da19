"""What the accuracy budget would have to be for a faster engine to win. Pure.

Only candidates that nothing but the accuracy gate refused count, and only those whose speed was measured.
"""

import math
from collections.abc import Iterable

from burnish_engine.base import Record
from burnish_engine.report import Accuracy, CandidateReport, Estimate, Report
from burnish_engine.request import OptimizationRequest, Precision

GATE = "accuracy"
DIGITS = 4


class Budget(Record):
    """A limit that lets a faster candidate through the accuracy gate, as far as its samples tell.

    option: `max_drop` or `minimum`, whichever the request is judged by.   value: the tightest that admits it,
    rounded to the safe side.   faster_than_winner: its speed over the winner's.
    needs_samples: with more samples than there were, a tighter limit may do; None: not known.
    """

    recipe: str
    option: str
    value: float
    speedup: Estimate
    faster_than_winner: float
    needs_samples: int | None = None


def budgets(report: Report, winner: Estimate | None) -> tuple[Budget, ...]:
    """The tightest limit first; each one lets a faster candidate through than the one before it.

    Args: winner: its speed-up over the baseline.
    """
    if winner is None:
        return ()
    found = [b for c in report.candidates if (b := _budget(c, report.request, winner)) is not None]
    tightest = sorted(
        found, key=lambda b: (b.value if b.option == "max_drop" else -b.value, -b.speedup.value)
    )
    return tuple(_worth_more(tightest))


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
    needed = accuracy.samples_needed
    return Budget(
        recipe=candidate.recipe,
        option=option,
        value=value,
        speedup=speedup,
        faster_than_winner=speedup.value / winner.value,
        needs_samples=needed if needed is not None and needed > accuracy.samples else None,
    )


def _limit(accuracy: Accuracy, request: OptimizationRequest, *, is_exact: bool) -> tuple[str, float]:
    """The gate judges FP32 at the estimate, all else at the interval's bad end."""
    scale = 10.0**DIGITS
    if request.floor is not None:
        floor = accuracy.value if is_exact else accuracy.interval[0]
        return "minimum", math.floor(floor * scale) / scale
    bad_end = accuracy.drop_interval[1] if accuracy.drop_interval and not is_exact else accuracy.drop
    return "max_drop", math.ceil(max(0.0, bad_end) * scale) / scale
