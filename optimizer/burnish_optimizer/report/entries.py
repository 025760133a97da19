"""From attempts and verdicts to the report's candidates. Pure."""

from burnish_engine.report import CandidateReport, CandidateState, Estimate
from burnish_optimizer.search.attempt import Attempt
from burnish_optimizer.search.select import Contender, Verdict


def is_contender(attempt: Attempt) -> bool:
    """Whether the attempt was built and looked at, so that the selection says its word."""
    return not attempt.ended


def contender(attempt: Attempt) -> Contender:
    """What the selection sees of an attempt."""
    recipe = attempt.recipe
    return Contender(recipe.name, recipe.precision, attempt.gates, attempt.figures)


def entry(attempt: Attempt, verdict: Verdict | None) -> CandidateReport:
    """One line of the report. `verdict` is the selection's, of contenders."""
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
        first_look=attempt.looked,
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
    passed = all(gate.passed for gate in attempt.gates)
    return CandidateState.SLOWER if passed else CandidateState.REJECTED, verdict.reason
