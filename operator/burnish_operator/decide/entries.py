"""`status.targets[]` and the summary columns, from what was decided for each target."""

from collections.abc import Sequence
from dataclasses import dataclass

from burnish_operator.api import SummaryStatus, TargetState, TargetStatus
from burnish_operator.decide.builds import Build, BuildState
from burnish_operator.decide.economy import of_target
from burnish_operator.decide.figures import Built, of_status
from burnish_operator.decide.rollout import RolloutState, TargetRollout
from burnish_operator.decide.targets import ResolvedTarget, Unresolved


@dataclass(frozen=True)
class Road:
    """One target on its way: hardware, engine, rollout."""

    target: ResolvedTarget
    build: Build
    rollout: TargetRollout

    @property
    def arrived(self) -> bool:
        """True where the target has what the spec asks for."""
        built = self.build.state is BuildState.BUILT
        return built and self.rollout.state in (RolloutState.DONE, RolloutState.DISABLED)


def entry(road: Road, old: TargetStatus | None) -> TargetStatus:
    """The status of one target."""
    target, build, rollout = road.target, road.build, road.rollout
    known = build.engine or _still_serving(rollout, old)
    return TargetStatus(
        name=target.name,
        accelerator_class=target.class_name,
        state=_state(road),
        job=build.job,
        engine=known.engine if known else None,
        accuracy=known.accuracy if known else None,
        baseline=known.baseline if known else None,
        optimized=known.optimized if known else None,
        speedup=known.speedup if known else None,
        savings=of_target(target, known) if known and not _serves_another(rollout, known) else None,
        rollout=rollout.status,
        canary=rollout.memory.canary,
        rejected=rollout.memory.rejected or None,
        progress=_shortened(build.progress or rollout.message),
        last_failure=build.failure,
    )


def _serves_another(rollout: TargetRollout, known: Built) -> bool:
    """A canary's engine, or one that was rejected, saves nothing yet."""
    return rollout.status is not None and rollout.status.digest not in (None, known.engine.digest)


def _still_serving(rollout: TargetRollout, old: TargetStatus | None) -> Built | None:
    """The engine before: its figures stay as long as it serves."""
    if old is None or old.engine is None or rollout.status is None:
        return None
    return of_status(old) if rollout.status.digest == old.engine.digest else None


def _state(road: Road) -> TargetState:
    build, rollout = road.build.state, road.rollout.state
    if build is BuildState.BUILT:
        return _rollout_state(rollout)
    states = {
        BuildState.BUILDING: TargetState.BUILDING,
        BuildState.FAILED: TargetState.FAILED,
        BuildState.SUSPENDED: TargetState.SUSPENDED,
    }
    return states.get(build, TargetState.PENDING)


def _rollout_state(rollout: RolloutState) -> TargetState:
    states = {
        RolloutState.DONE: TargetState.SERVING,
        RolloutState.PROGRESSING: TargetState.ROLLING_OUT,
        RolloutState.STUCK: TargetState.FAILED,
        RolloutState.BLOCKED: TargetState.FAILED,
    }
    return states.get(rollout, TargetState.PUBLISHED)


def unresolved_entry(target: Unresolved, old: TargetStatus | None) -> TargetStatus:
    """The status of a target that cannot be built for; what is known of it otherwise stays."""
    known = of_status(old) if old else None
    return TargetStatus(
        engine=known.engine if known else None,
        accuracy=known.accuracy if known else None,
        baseline=known.baseline if known else None,
        optimized=known.optimized if known else None,
        name=target.name,
        accelerator_class=target.class_name,
        state=TargetState.PENDING,
        canary=old.canary if old else None,
        rejected=old.rejected if old else None,
        progress=_shortened(target.message),
        last_failure=old.last_failure if old else None,
    )


def _shortened(text: str, limit: int = 1024) -> str | None:
    return (text if len(text) <= limit else f"{text[: limit - 1]}…") or None


def summary(entries: Sequence[TargetStatus], arrived: int) -> SummaryStatus:
    """Short texts for the columns."""
    built = [entry for entry in entries if entry.engine]
    speedups = sorted(
        {f"{e.speedup:.1f}x": e.speedup for e in built if e.speedup is not None}.items(), key=_second
    )
    values = [e.accuracy.value for e in built if e.accuracy]
    return SummaryStatus(
        targets_ready=f"{arrived}/{len(entries)}",
        speedup="-".join(dict.fromkeys(t for t, _ in (speedups[:1] + speedups[-1:]))) or None,
        precision=",".join(sorted({e.engine.precision.value for e in built if e.engine})) or None,
        accuracy=f"{min(values):.3f}" if values else None,
        savings=_saved(built),
    )


def _second(pair: tuple[str, float | None]) -> float:
    return pair[1] or 0.0


def _saved(entries: Sequence[TargetStatus]) -> str | None:
    found = [e.savings for e in entries if e.savings]
    if not found:
        return None
    currencies = {s.currency for s in found}
    if len(currencies) == 1 and None not in currencies:
        money = sum(s.per_hour or 0.0 for s in found)
        return f"{money:.2f} {currencies.pop()}/h"
    saved = sum(s.accelerators_before - s.accelerators_after for s in found)
    return f"{saved:g} accelerator{'' if saved == 1 else 's'}"
