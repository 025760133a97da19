"""What serves on one target, and what should.

The floor: whatever serves goes on serving until a new engine is built, published and ready. A build
that fails, a class without nodes or a suspended model therefore never touches the engine of a Deployment.
Until the new engine is there, the old one is also served by the server that it was rolled out with.
Where a canary is asked for, a new engine gets a share of the traffic first: `course` says what is where.
"""

from dataclasses import replace

from burnish_operator.decide import servable
from burnish_operator.decide.builds import Build
from burnish_operator.decide.rollout import beside, course, room, share, stable, there, told
from burnish_operator.decide.rollout.case import Case, address
from burnish_operator.decide.rollout.course import Course
from burnish_operator.decide.rollout.pruning import prune
from burnish_operator.decide.rollout.questions import comparisons, halted, is_new, new_keys, waiting_canaries
from burnish_operator.decide.rollout.state import Memory, RolloutState, TargetRollout, remembered
from burnish_operator.decide.rollout.steps import look_again_seconds
from burnish_operator.decide.rollout.there import names_of
from burnish_operator.decide.servable import Held
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed

__all__ = [
    "RolloutState",
    "TargetRollout",
    "comparisons",
    "decide",
    "halted",
    "is_new",
    "names_of",
    "new_keys",
    "prune",
    "waiting_canaries",
]


def decide(seen: Observed, target: ResolvedTarget, build: Build) -> TargetRollout:
    """The rollout of one target."""
    memory = remembered(seen.model.status.target(target.name))
    if not seen.model.spec.serving.enabled:
        gone = replace(memory, canary=None)
        message, reason = "Serving is disabled.", "ServingDisabled"
        return TargetRollout(RolloutState.DISABLED, True, message, reason, memory=gone)
    found = there.find(seen, target)
    if found.taken:
        return _taken(found.taken, memory)
    case = Case(seen, target, build, found, memory)
    charted = course.chart(case)
    if not charted.engine:
        message, reason = "Waits for an engine.", "WaitingForEngine"
        return TargetRollout(RolloutState.NONE, False, message, reason, memory=charted.memory)
    wanted = address(case.wanted.reference) if case.wanted else ""
    held = servable.held(seen.model.spec.serving.runtime, build.engine, wanted, found.stable)
    if held is not None:
        return _held(case, held)
    return _frozen(case, charted) if seen.model.spec.suspend else _steered(case, charted)


def _steered(case: Case, charted: Course) -> TargetRollout:
    current = case.wanted is not None and charted.engine == address(case.wanted.reference)
    replicas = share.of_stable(case.spec, charted.canary, case.target.replicas)
    planned = stable.plan(case, charted.engine, replicas, current=current)
    judged = stable.judge(case, charted.engine, planned, current=current)
    again = _again(case, charted.memory)
    plan = (*planned, *beside.plan(case, charted))
    told_of = _told(case, charted, judged)
    return replace(told_of, plan=plan, memory=_weighed(case, charted.memory), look_again_seconds=again)


def _frozen(case: Case, charted: Course) -> TargetRollout:
    """Suspended: nothing is begun, ended or counted. Held against what is wanted, which may not serve."""
    engine = address(case.wanted.reference) if case.wanted else charted.engine
    judged = stable.judge(case, engine, (), current=case.wanted is not None)
    told_of = _told(case, replace(charted, memory=case.memory), judged)
    return replace(told_of, memory=_weighed(case, case.memory))


def _weighed(case: Case, memory: Memory) -> Memory:
    """With the share of the traffic that the canary has now; pods of one before it are on their way out."""
    canary, found = memory.canary, case.found.canary
    if canary is None:
        return memory
    its_own = found is not None and found.digest == canary.digest
    weight = share.percent(found, case.found.stable) if its_own else 0
    return replace(memory, canary=canary.model_copy(update={"weight": weight}))


def _told(case: Case, charted: Course, judged: TargetRollout) -> TargetRollout:
    """The stable pods' state, unless there is more to tell."""
    obstacle, canary = charted.obstacle, _weighed(case, charted.memory).canary
    if obstacle is not None:
        blocked = replace(judged, state=RolloutState.BLOCKED, current=False)
        return replace(blocked, reason=obstacle.reason, message=obstacle.message)
    if canary is None:
        return judged
    text, reason = told.message(case, canary), told.reason(case, canary)
    state = RolloutState.BLOCKED if told.waits_for_room(case, canary) else RolloutState.PROGRESSING
    return replace(judged, state=state, current=False, reason=reason, message=text)


def _again(case: Case, memory: Memory) -> float | None:
    """At once where something was decided: the next turn acts on it."""
    before, after = case.memory.canary, memory.canary
    if _place(before) != _place(after):
        return 0.0
    times = (look_again_seconds(case, after) if after else None, room.look_again_seconds(case))
    return min((seconds for seconds in times if seconds is not None), default=None)


def _place(canary: object) -> tuple[object, ...]:
    return tuple(getattr(canary, part, None) for part in ("digest", "phase", "step", "began", "in_place"))


def _held(case: Case, held: Held) -> TargetRollout:
    """The new engine is not rolled out; what serves stays as it is."""
    state = RolloutState.BLOCKED if held.blocked else RolloutState.NONE
    kept = " What served before goes on serving." if case.found.stable else ""
    status = stable.status(case.target, case.found) if case.found.stable else None
    message = f"{held.message}{kept}"
    return TargetRollout(state, False, message, held.reason, status, memory=case.memory)


def _taken(name: str, memory: Memory) -> TargetRollout:
    message = (
        f"A Deployment or Service {name} exists that is not of this model, or is of another of its targets: "
        "delete it, or rename the model or the target."
    )
    return TargetRollout(RolloutState.BLOCKED, False, message, "NameConflict", memory=memory)
