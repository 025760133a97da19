"""Why this engine won, and what the others lost by. Pure: a report in, an explanation out.

Ratios beside the winner are those of two ratios that were each measured in turns with the baseline; their
intervals take the worst of both.
"""

from burnish_engine.base import Record
from burnish_engine.report import CandidateReport, CandidateState, Estimate, Measurement, Report
from burnish_optimizer.report.budgets import Budget, budgets

BASELINE = "baseline"
AS_FAST_AS_ITSELF = Estimate(value=1.0, low=1.0, high=1.0)
NOT_TRIED = (CandidateState.SKIPPED, CandidateState.UNMEASURED)


class Lost(Record):
    """A candidate that was tried and does not serve.

    excluded_by: the gates that it failed, the request's limit that it broke, the baseline, or the winner.
    speedup: over the baseline.   time, memory, size: its over the winner's; above 1 is worse.
    first_look: its time over the winner's from a few windows, where it was measured no further.
    """

    recipe: str
    state: CandidateState
    excluded_by: str
    reason: str
    speedup: Estimate | None = None
    time: Estimate | None = None
    first_look: float | None = None
    memory: float | None = None
    size: float | None = None


class NotTried(Record):
    """A recipe that was not measured here, and why."""

    recipe: str
    state: CandidateState
    reason: str


class Explanation(Record):
    """Everything that decided, for one report. budgets: see `report.budgets`."""

    selected: str
    why: str
    lost: tuple[Lost, ...]
    budgets: tuple[Budget, ...]
    not_tried: tuple[NotTried, ...]
    notes: tuple[str, ...] = ()


def explain(report: Report) -> Explanation:
    """Why the engine of this report won, what the others lost by, and what would let a faster one win."""
    others = [c for c in report.candidates if c.state is not CandidateState.SELECTED]
    lost = [_lost(c, report) for c in others if c.state not in NOT_TRIED]
    return Explanation(
        selected=report.selected.recipe,
        why=_why(report),
        lost=tuple(sorted(lost, key=_rank)),
        budgets=budgets(report, winner_speedup(report)),
        not_tried=tuple(
            NotTried(recipe=c.recipe, state=c.state, reason=c.reason) for c in others if c.state in NOT_TRIED
        ),
        notes=_notes(report),
    )


def winner_speedup(report: Report) -> Estimate | None:
    """The winner's over the baseline; 1 where that won; None where the winner was not measured."""
    won = _winner(report)
    return won.speedup if won else AS_FAST_AS_ITSELF


def _winner(report: Report) -> CandidateReport | None:
    return next((c for c in report.candidates if c.state is CandidateState.SELECTED), None)


def _why(report: Report) -> str:
    won = _winner(report)
    if won is None:
        tried = sum(c.measurement is not None for c in report.candidates)
        counted = f"{len(report.candidates)} recipes considered, {tried} measured"
        return f"nothing that passed every gate beat the source in ONNX Runtime's defaults ({counted})."
    judged = report.accuracy
    found = f"{judged.metric.value} {judged.value:.4f}, reference {judged.reference:.4f} ({_allowed(report)})"
    return (
        f"{won.reason}; {found}. Best by {report.request.minimize.value.lower()} of what passed every gate."
    )


def _allowed(report: Report) -> str:
    request = report.request
    if request.floor is not None:
        return f"at least {request.floor:g} is asked for"
    change = "rise" if request.metric.lower_is_better else "drop"
    return f"a {change} of at most {request.allowed_drop:g} is allowed"


def _lost(candidate: CandidateReport, report: Report) -> Lost:
    won, own = winner_speedup(report), candidate.speedup
    looked = candidate.first_look if own is None else None
    beside = _beside(candidate.measurement, report.optimized)
    return Lost(
        recipe=candidate.recipe,
        state=candidate.state,
        excluded_by=_excluded_by(candidate, report),
        reason=candidate.reason,
        speedup=own,
        time=_time(won, own),
        first_look=won.value / looked if won and looked else None,
        memory=beside[0],
        size=beside[1],
    )


def _time(won: Estimate | None, own: Estimate | None) -> Estimate | None:
    if won is None or own is None:
        return None
    return Estimate(value=won.value / own.value, low=won.low / own.high, high=won.high / own.low)


def _beside(own: Measurement | None, won: Measurement | None) -> tuple[float | None, float | None]:
    if own is None or won is None:
        return None, None
    return own.peak_memory_bytes / won.peak_memory_bytes, own.size_bytes / max(1, won.size_bytes)


def _excluded_by(candidate: CandidateReport, report: Report) -> str:
    """The constraint that kept it from winning, whatever its speed; else what was better."""
    failed = [gate.name for gate in candidate.gates if not gate.passed]
    if candidate.state is CandidateState.FAILED:
        return "failure"
    if failed:
        return f"{', '.join(failed)} gate"
    if candidate.measurement is None:
        return "first look"
    return _limit(candidate.measurement, report) or ("baseline" if _beaten(candidate, report) else "winner")


def _limit(own: Measurement, report: Report) -> str:
    goal, most = report.request.latency, report.request.max_memory_bytes
    if most is not None and own.peak_memory_bytes > most:
        return "memory limit"
    latency = own.latency_seconds
    known = {50.0: latency.p50, 90.0: latency.p90, 99.0: latency.p99}
    reached = known.get(goal.percentile) if goal else None
    return "latency goal" if goal and reached and reached.value > goal.seconds else ""


def _beaten(candidate: CandidateReport, report: Report) -> bool:
    """Whether the baseline won, or this one is not faster than it beyond noise."""
    speedup = candidate.speedup
    return report.selected.recipe == BASELINE or (speedup is not None and speedup.low <= 1)


def _rank(lost: Lost) -> tuple[bool, float]:
    """Those with a figure first, the fastest first."""
    time = lost.time.value if lost.time else lost.first_look
    return time is None, time or 0.0


def _notes(report: Report) -> tuple[str, ...]:
    own, beside = report.optimized, report.baseline
    if own is None or report.selected.recipe == BASELINE:
        return ()
    told = [own.note] if own.note else []
    before, after = beside.sustained, own.sustained
    if before and after:
        told.append(
            f"requests that arrive by the clock, p{after.percentile:g} within "
            f"{after.limit_seconds * 1000:.3g} ms: "
            f"{before.samples_per_second.value:.3g} → {after.samples_per_second.value:.3g} samples a second"
        )
    return tuple(told)
