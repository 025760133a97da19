"""A canary that takes a share of the traffic: a step further, a while longer, or not at all.

What is decided is remembered first, and acted on in the next turn: whenever the operator is killed, no
figure of an analysis and no rejection is forgotten, and no step is taken twice.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from burnish_operator.api import AnalysisCounts, CanaryPhase, CanaryStatus
from burnish_operator.decide.conditions import timestamp
from burnish_operator.decide.rollout import analysis, room, share, waiting
from burnish_operator.decide.rollout.case import Case, address
from burnish_operator.decide.rollout.rejection import reject
from burnish_operator.decide.rollout.state import Memory
from burnish_operator.render.deployment import PROGRESS_DEADLINE_SECONDS


def is_ready(case: Case, canary: CanaryStatus) -> bool:
    """Whether all pods of the step, and no others, answer with the engine."""
    found = case.found.canary
    wanted = share.of_canary(case.spec, canary, case.target.replicas)
    return found is not None and found.rolled_out(address(canary.reference), wanted)


def go_on(case: Case, canary: CanaryStatus) -> Memory:
    """What is to be remembered of the canary from now on."""
    if not is_ready(case, canary):
        return _wait(case, canary)
    now = timestamp(case.seen.now)
    told = canary.model_copy(update={"unready_since": None, "since": canary.since or now})
    told, reason = _analysed(case, told)
    if reason:
        return reject(case.seen, case.memory, told, reason, _last(told))
    return replace(case.memory, canary=_next(case, told) if _is_over(case, told) else told)


def _wait(case: Case, canary: CanaryStatus) -> Memory:
    if room.is_needed_by(case, canary):
        # Another attempt, in the places of stable pods, and all the time for that.
        fresh = {"in_place": True, "unready_since": timestamp(case.seen.now)}
        return replace(case.memory, canary=canary.model_copy(update=fresh))
    since = canary.unready_since or timestamp(case.seen.now)
    waited = case.seen.now - datetime.fromisoformat(since)
    # Without any node of its class it is not the engine's fault.
    if waited < timedelta(seconds=PROGRESS_DEADLINE_SECONDS) or case.target.nodes == 0:
        return replace(case.memory, canary=canary.model_copy(update={"unready_since": since}))
    reason, found = waiting.why(case)
    told = f"Since {since} not all of its pods answer: {found}{room.remedy(case, canary)}"
    return reject(case.seen, case.memory, canary, reason, told)


def _analysed(case: Case, canary: CanaryStatus) -> tuple[CanaryStatus, str]:
    """The canary with one analysis more, if there was one, and why it is rejected for it."""
    limits, samples = case.spec.analysis, case.seen.comparisons.get(case.target.name)
    if limits is None or samples is None:
        return canary, ""
    finding = analysis.evaluate(samples, limits)
    counts = analysis.counted(canary.analyses, finding, case.seen.now, paused=case.spec.paused)
    return canary.model_copy(update={"analyses": counts}), analysis.exceeded(counts, limits)


def _last(canary: CanaryStatus) -> str:
    return f"Step {canary.step}, the last analysis: {canary.analyses.message}"


def _is_over(case: Case, canary: CanaryStatus) -> bool:
    limits, step = case.spec.analysis, share.step_of(case.spec, canary)
    if case.spec.paused or case.wanted is None or canary.since is None:
        return False
    rested = case.seen.now - datetime.fromisoformat(canary.since) >= timedelta(seconds=step.pause_seconds)
    return rested and (limits is None or canary.analyses.passed >= limits.count)


def _next(case: Case, canary: CanaryStatus) -> CanaryStatus:
    if canary.step >= len(case.spec.canary_steps):
        return canary.model_copy(update={"phase": CanaryPhase.PROMOTING})
    fresh = {"step": canary.step + 1, "since": None, "analyses": AnalysisCounts()}
    return canary.model_copy(update=fresh)


def look_again_seconds(case: Case, canary: CanaryStatus) -> float | None:
    """When time alone brings it on; None: never."""
    times: list[datetime] = []
    if canary.unready_since:
        times.append(_after(canary.unready_since, PROGRESS_DEADLINE_SECONDS))
    elif canary.since:
        times.append(_after(canary.since, share.step_of(case.spec, canary).pause_seconds))
        if case.spec.analysis:
            times.append(_after(canary.analyses.time or canary.since, case.spec.analysis.interval_seconds))
    left = [(time - case.seen.now).total_seconds() for time in times]
    left += [seconds] if (seconds := _look_at_pods(case, canary)) is not None else []
    return min((seconds for seconds in left if seconds > 0), default=None)


def _look_at_pods(case: Case, canary: CanaryStatus) -> float | None:
    stepping = canary.phase is CanaryPhase.STEPPING
    return room.next_look(case, room.of_canary(case, canary)) if stepping and canary.unready_since else None


def _after(time: str, seconds: float) -> datetime:
    return datetime.fromisoformat(time) + timedelta(seconds=seconds)
