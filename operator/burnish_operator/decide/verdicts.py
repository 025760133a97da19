"""The conditions Optimized, RolledOut and Degraded, over all targets of a model."""

from collections.abc import Sequence

from burnish_operator.api import ConditionType
from burnish_operator.decide.builds import BuildState
from burnish_operator.decide.conditions import Verdict, fails, holds, unknown
from burnish_operator.decide.entries import Road
from burnish_operator.decide.rollout import RolloutState

# The worst news first: one target that needs the user is told before ten that only need time.
_BUILD_ORDER = (
    BuildState.FAILED,
    BuildState.UNKNOWN,
    BuildState.SUSPENDED,
    BuildState.WAITING,
    BuildState.BUILDING,
)
_ROLLOUT_ORDER = (RolloutState.BLOCKED, RolloutState.STUCK, RolloutState.NONE, RolloutState.PROGRESSING)
_GOES_ON = "What served before goes on serving."


def optimized(roads: Sequence[Road], expected: int) -> Verdict:
    """True once every target has its engine."""
    kind = ConditionType.OPTIMIZED
    for state in _BUILD_ORDER:
        told = [road for road in roads if road.build.state is state]
        if told:
            message = " ".join(f"{road.target.name}: {road.build.progress}" for road in told)
            judge = unknown if state is BuildState.UNKNOWN else fails
            return judge(kind, told[0].build.reason, message)
    if not roads or len(roads) < expected:
        return fails(kind, "WaitingForTargets", f"{len(roads)} of {expected} target(s) can be built for.")
    engines = [road.build.engine.engine for road in roads if road.build.engine]
    told_engines = ", ".join(
        f"{road.target.name}: {engine.backend.value} {engine.precision.value}"
        for road, engine in zip(roads, engines, strict=True)
    )
    return holds(kind, "Optimized", f"Every target has its engine ({told_engines}).")


def rolled_out(roads: Sequence[Road], expected: int) -> Verdict:
    """True only where the wanted pods, all of them and no others, answer with the current engines."""
    kind = ConditionType.ROLLED_OUT
    for state in _ROLLOUT_ORDER:
        told = [road for road in roads if road.rollout.state is state]
        if told:
            message = " ".join(f"{road.target.name}: {road.rollout.message}" for road in told)
            return fails(kind, told[0].rollout.reason, message)
    older = [road.target.name for road in roads if not road.rollout.current]
    if older:
        return fails(kind, "WaitingForEngine", f"An older engine serves on {', '.join(older)}.")
    if not roads or len(roads) < expected:
        return fails(kind, "WaitingForTargets", f"{len(roads)} of {expected} target(s) can serve.")
    if all(road.rollout.state is RolloutState.DISABLED for road in roads):
        return holds(kind, "ServingDisabled", "Engines are published; spec.serving.enabled is false.")
    return holds(kind, "RolledOut", f"{len(roads)} target(s) serve the current engine.")


def degraded(roads: Sequence[Road]) -> Verdict:
    """True where something that should be there is not, and only a person or a retry brings it."""
    kind = ConditionType.DEGRADED
    problems = [problem for road in roads if (problem := _problem(road))]
    if problems:
        reason = problems[0][0]
        return holds(kind, reason, " ".join(message for _, message in problems))
    return fails(kind, "AsExpected", "Nothing is amiss.")


def _problem(road: Road) -> tuple[str, str] | None:
    name, build, rollout = road.target.name, road.build, road.rollout
    kept = f" {_GOES_ON}" if rollout.status and rollout.status.digest else ""
    if build.state is BuildState.FAILED:
        return build.reason, f"{name}: no engine for the current spec.{kept}"
    if rollout.state in (RolloutState.STUCK, RolloutState.BLOCKED):
        return rollout.reason, f"{name}: {rollout.message}"
    if road.target.nodes == 0 and rollout.status is not None:
        return "NoMatchingNodes", f"{name}: its nodes are away."
    return None
