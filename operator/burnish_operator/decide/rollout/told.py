"""Where a canary stands, for people."""

from burnish_operator.api import CanaryPhase, CanaryStatus
from burnish_operator.decide.rollout import room, share, waiting
from burnish_operator.decide.rollout.case import Case


def reason(case: Case, canary: CanaryStatus) -> str:
    """In one word."""
    if canary.phase is CanaryPhase.PROMOTING:
        return "CanaryPromoting"
    if waits_for_room(case, canary):
        return room.NO_ROOM
    return "CanaryPaused" if case.spec.paused else "CanaryProgressing"


def waits_for_room(case: Case, canary: CanaryStatus) -> bool:
    """Whether it cannot begin: there is no room beside an only pod."""
    stepping = canary.phase is CanaryPhase.STEPPING and canary.unready_since is not None
    return stepping and case.target.replicas == 1 and room.lacks(case, canary) is not None


def message(case: Case, canary: CanaryStatus) -> str:
    """`Canary at 20 %, step 1 of 2, 3 of 5 analyses passed.`"""
    if canary.phase is CanaryPhase.PROMOTING:
        return "The canary did well or was promoted: the stable pods get its engine."
    step = f"step {min(canary.step, len(case.spec.canary_steps))} of {len(case.spec.canary_steps)}"
    parts = [f"Canary at {canary.weight} %", step, *_analyses(case, canary)]
    return f"{', '.join(parts)}.{_pods(case, canary)}{_paused(case)}"


def _analyses(case: Case, canary: CanaryStatus) -> list[str]:
    limits, counts = case.spec.analysis, canary.analyses
    if limits is None:
        return []
    others = {
        "failed": counts.failed,
        "inconclusive": counts.inconclusive,
        "without an answer": counts.errors,
    }
    passed = f"{min(counts.passed, limits.count)} of {limits.count} analyses passed"
    return [passed, *(f"{count} {what}" for what, count in others.items() if count)]


def _pods(case: Case, canary: CanaryStatus) -> str:
    if canary.unready_since is None:
        return ""
    wanted = share.of_canary(case.spec, canary, case.target.replicas)
    ready = case.found.canary.ready if case.found.canary else 0
    advice = f" {room.GOES_ON}{room.remedy(case, canary)}" if waits_for_room(case, canary) else ""
    return f" {ready} of its {wanted} pod(s) answer: {waiting.why(case)[1]}{advice}"


def _paused(case: Case) -> str:
    return f" Paused: kubectl burnish resume {case.seen.model.name}." if case.spec.paused else ""
