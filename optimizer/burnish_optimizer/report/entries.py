"""From attempts and verdicts to the report's candidates. Pure."""

from collections.abc import Sequence

from burnish_engine.report import CandidateReport, CandidateState, Estimate
from burnish_optimizer.search.attempt import Attempt
from burnish_optimizer.search.select import Verdict


def front(attempts: Sequence[Attempt]) -> frozenset[str]:
    """Names on the Pareto front of latency, memory, size and accuracy, of those that passed every gate."""
    points = {
        a.recipe.name: (
            a.figures.p50_ratio.value,
            a.figures.measurement.peak_memory_bytes,
            a.figures.measurement.size_bytes,
            a.accuracy.drop,
        )
        for a in attempts
        if a.passed and a.figures and a.accuracy
    }
    return frozenset(
        name for name, own in points.items() if not any(_dominates(other, own) for other in points.values())
    )


def _dominates(other: Sequence[float], own: Sequence[float]) -> bool:
    return other != own and all(a <= b for a, b in zip(other, own, strict=True))


def entry(attempt: Attempt, verdict: Verdict | None, on_front: frozenset[str]) -> CandidateReport:
    """One line of the report. `verdict` is the selection's, of contenders; `on_front`: see `front`."""
    state, reason = _end(attempt, verdict)
    recipe = attempt.recipe
    return CandidateReport(
        recipe=recipe.name,
        backend=recipe.backend,
        precision=recipe.precision,
        state=state,
        reason=reason,
        gates=attempt.gates,
        accuracy=attempt.accuracy,
        measurement=attempt.figures.measurement if attempt.figures else None,
        speedup=_inverse(attempt.figures.p50_ratio) if attempt.figures else None,
        first_look=1 / attempt.looked if attempt.looked else None,
        on_front=recipe.name in on_front,
        coverage=attempt.coverage,
        notes=attempt.notes,
        conversion=attempt.conversion,
        seconds=attempt.seconds,
    )


def _inverse(ratio: Estimate) -> Estimate:
    return Estimate(value=1 / ratio.value, low=1 / ratio.high, high=1 / ratio.low)


def _end(attempt: Attempt, verdict: Verdict | None) -> tuple[CandidateState, str]:
    early = (
        (CandidateState.SKIPPED, attempt.skipped),
        (CandidateState.SKIPPED, attempt.declined and f"declined: {attempt.declined}"),
        (CandidateState.FAILED, attempt.failed),
        (CandidateState.SLOWER, attempt.pruned),
    )
    ended = next((end for end in early if end[1]), None)
    if ended or verdict is None:
        return ended or (CandidateState.UNMEASURED, "not measured")
    if verdict.won:
        return CandidateState.SELECTED, verdict.reason
    if not all(gate.passed for gate in attempt.gates):
        return CandidateState.REJECTED, verdict.reason
    return CandidateState.UNMEASURED if attempt.unmeasured else CandidateState.SLOWER, verdict.reason
