"""Events: what changed between two statuses, told once, when it happened."""

from collections.abc import Iterator

from burnish_operator.api import (
    CanaryPhase,
    ConditionStatus,
    ConditionType,
    OptimizedModelStatus,
    RejectedStatus,
    TargetStatus,
)
from burnish_operator.decide.failures import OOM_KILLED
from burnish_operator.ports import Event

_PROBLEMS = {
    ConditionType.SOURCE_RESOLVED: ("SourceNotResolved", ConditionStatus.FALSE),
    ConditionType.TARGETS_RESOLVED: ("TargetsNotResolved", ConditionStatus.FALSE),
    ConditionType.DEGRADED: ("Degraded", ConditionStatus.TRUE),
}


def events(old: OptimizedModelStatus, new: OptimizedModelStatus) -> tuple[Event, ...]:
    """Real transitions only; a status that says the same says nothing new."""
    found = [event for entry in new.targets for event in _of_target(old.target(entry.name), entry)]
    return (*found, *_of_conditions(old, new))


def _of_target(old: TargetStatus | None, new: TargetStatus) -> Iterator[Event]:
    if new.job and new.job != (old.job if old else None) and new.state == "Building":
        yield Event("BuildStarted", f"{new.name}: Job {new.job} optimizes.")
    if new.engine and new.engine != (old.engine if old else None):
        yield Event("EngineReady", f"{new.name}: {_engine(new)}")
    if new.last_failure and new.last_failure != (old.last_failure if old else None):
        reason = "BuildRetried" if new.last_failure.reason == OOM_KILLED else "BuildFailed"
        failure = new.last_failure
        yield Event(reason, f"{new.name}: {failure.reason}: {failure.message}", warning=True)
    yield from _of_canary(old, new)
    if new.state == "Serving" and (old is None or old.state != "Serving" or old.engine != new.engine):
        yield Event("RolledOut", f"{new.name}: {new.progress or 'the engine serves.'}")


def _of_canary(old: TargetStatus | None, new: TargetStatus) -> Iterator[Event]:
    before, after = old.canary if old else None, new.canary
    if after and (before is None or before.began != after.began or before.digest != after.digest):
        told = f"engine {_short(after.digest)} gets a share beside {_short(after.stable.rpartition('@')[2])}."
        yield Event("CanaryStarted", f"{new.name}: {told}")
    elif after and before and after.step > before.step:
        yield Event("CanaryAdvanced", f"{new.name}: step {after.step} of engine {_short(after.digest)}.")
    promoting = after is not None and after.phase is CanaryPhase.PROMOTING
    if after and promoting and (before is None or before.phase is not after.phase):
        yield Event("CanaryPromoted", f"{new.name}: the stable pods get engine {_short(after.digest)}.")
    for each in rejections(old, new):
        yield Event("CanaryRejected", f"{new.name}: {each.reason}: {each.message}", warning=True)


def rejections(old: TargetStatus | None, new: TargetStatus) -> list[RejectedStatus]:
    """Engines that were rejected since."""
    known = old.rejected if old else None
    return [each for each in new.rejected or () if each not in (known or ())]


def _engine(target: TargetStatus) -> str:
    engine = target.engine
    if engine is None:
        return ""
    speedup = f", {target.speedup:.2f}x as fast as the original" if target.speedup is not None else ""
    return f"engine {_short(engine.digest)} ({engine.backend.value} {engine.precision.value}{speedup})."


def _short(digest: str) -> str:
    return f"{digest[:19]}…"


def _of_conditions(old: OptimizedModelStatus, new: OptimizedModelStatus) -> Iterator[Event]:
    before = {condition.type: condition for condition in old.conditions}
    for condition in new.conditions:
        known = before.get(condition.type)
        reason, bad = _PROBLEMS.get(ConditionType(condition.type), ("", ConditionStatus.UNKNOWN))
        changed = known is None or (known.status, known.reason) != (condition.status, condition.reason)
        if reason and condition.status is bad and changed:
            yield Event(reason, f"{condition.reason}: {condition.message}", warning=True)
        became_ready = condition.type == ConditionType.READY and condition.status is ConditionStatus.TRUE
        if became_ready and (known is None or known.status != condition.status):
            yield Event("Ready", condition.message)
