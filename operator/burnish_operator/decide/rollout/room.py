"""Whether there is room for one pod more: the scheduler says so of a pod that was made (decisions/0017)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from burnish_engine.redact import sanitized
from burnish_operator.api import CanaryStatus, RolloutStrategy
from burnish_operator.decide.rollout.case import Case, address
from burnish_operator.decide.rollout.there import There
from burnish_operator.observe import Pod, Workload
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render.differs import differs

# A pod that goes holds its accelerator until it has drained: only what waits for longer has no room.
PATIENCE_SECONDS = 15
# An only pod that does not answer for a moment comes back; after so long it protects nothing.
SILENCE_SECONDS = 60
NO_ROOM = "NoRoom"
GOES_ON = "What served before goes on serving, and the rollout goes on by itself once there is room."
_FOR_ONE = (
    "Give the pool one accelerator more, or set spec.rollout.strategy to Recreate, which stops serving while "
    "the pod is replaced."
)
_FOR_ALL = "Give the pool as many accelerators as there are replicas, or ask for fewer replicas."


def is_asked(seen: Observed) -> bool:
    """Whether new pods are made beside the old ones at all, and now."""
    spec = seen.model.spec
    recreates = spec.rollout.strategy is RolloutStrategy.RECREATE
    return spec.serving.enabled and not spec.suspend and not recreates


def halts(seen: Observed, found: There) -> bool:
    """Whether a rollout stands still while older pods are there: it is worth a look at its pods."""
    stable = found.stable
    if stable is None or not _waits(found, stable):
        return False
    return bool(stable.stuck) or _left(stable.progressed, seen.now) <= 0


def _waits(found: There, stable: Workload) -> bool:
    """Older pods or a canary have yet to go, or Kubernetes has given up hope beside those that answer."""
    given_up = bool(stable.stuck) and stable.ready > 0
    helped = is_helped(found) and stable.ready < stable.replicas
    return stable.current and (stable.total > stable.updated or helped or given_up)


def is_helped(found: There) -> bool:
    """Whether a canary is there that has the very engine which the stable pods get."""
    canary, stable = found.canary, found.stable
    return canary is not None and stable is not None and canary.engine == stable.engine


def lacking(case: Case) -> Pod | None:
    """A pod of what the stable pods are told to be for which there has been no room for a while."""
    return _without_room(case, _of_stable(case))


def lacks(case: Case, canary: CanaryStatus) -> Pod | None:
    """The same of the canary's pods."""
    return _without_room(case, of_canary(case, canary))


def _of_stable(case: Case) -> list[Pod]:
    pods = case.seen.stable_pods.get(case.target.name, ())
    return [pod for pod in pods if pod.engine == case.served]


def of_canary(case: Case, canary: CanaryStatus) -> list[Pod]:
    """Pods of its engine, as far as it was worth a look at them."""
    pods = case.seen.canary_pods.get(case.target.name, ())
    return [pod for pod in pods if pod.engine == address(canary.reference)]


def _without_room(case: Case, pods: Iterable[Pod]) -> Pod | None:
    if case.target.nodes == 0:
        # An old pod that goes makes no room where no node takes pods.
        return None
    said = (pod for pod in pods if pod.unschedulable_since)
    return next((pod for pod in said if _left(pod.unschedulable_since, case.seen.now) <= 0), None)


def is_tight(case: Case, rendered: Object) -> bool:
    """Whether an old pod must go before a new one can come: in this rollout, until it is over."""
    stable, replicas = case.found.stable, rendered["spec"]["replicas"]
    if stable is None or _changes(rendered, stable):
        return False
    if not stable.surges:
        return (replicas > 1 or not stable.ready) and not stable.rolled_out(stable.engine, replicas)
    # A canary's places are free once it is gone, and no stable pod need go for them.
    if lacking(case) is None or stable.total <= stable.updated or is_helped(case.found):
        return False
    return replicas > 1 or _silence_left(stable, case.seen.now) <= 0


def _silence_left(stable: Workload, now: datetime) -> float:
    """Seconds until an only pod that does not answer is given up."""
    since = "" if stable.ready else stable.silent_since
    return _left(since, now, SILENCE_SECONDS)


def _changes(rendered: Object, stable: Workload) -> bool:
    """Whether another rollout begins."""
    return differs(rendered["spec"]["template"], stable.raw["spec"]["template"])


def is_needed_by(case: Case, canary: CanaryStatus) -> bool:
    """Whether the canary needs the places of stable pods; an only one has none to give."""
    return not canary.in_place and case.target.replicas > 1 and lacks(case, canary) is not None


def problem(case: Case) -> str:
    """What to tell where nothing can be replaced for want of room; "" where that is not so."""
    stable, pod = case.found.stable, lacking(case)
    if stable is None or pod is None or is_helped(case.found):
        return ""
    alone = case.target.replicas == 1 and stable.total > stable.updated
    if not stable.ready or not (alone or stable.stuck):
        return ""
    told = sanitized(f"There is no room for pod {pod.name}: {pod.waits_for.rstrip('.')}.")
    return f"{told} {GOES_ON} {_FOR_ONE if alone else _FOR_ALL}"


def remedy(case: Case, canary: CanaryStatus) -> str:
    """What helps a canary for which there is no room; "" where there is."""
    if lacks(case, canary) is None:
        return ""
    return f" {_FOR_ONE if case.target.replicas == 1 else _FOR_ALL}"


def look_again_seconds(case: Case) -> float | None:
    """When to look at the stable pods again: nothing tells of one for which there is no room."""
    stable, now = case.found.stable, case.seen.now
    if stable is None or not is_asked(case.seen) or not _waits(case.found, stable) or stable.stuck:
        return None
    idle = _left(stable.progressed, now)
    if idle > 0:
        return idle
    if lacking(case) and stable.surges and not stable.ready:
        return max(1.0, _silence_left(stable, now))
    return next_look(case, _of_stable(case))


def next_look(case: Case, pods: Iterable[Pod]) -> float | None:
    """When a pod has waited for long enough; None: it has, which is told or acted on, or none waits."""
    known = list(pods)
    waiting = [_left(pod.unschedulable_since, case.seen.now) for pod in known if not pod.node]
    if known and (not waiting or min(waiting) <= 0):
        return None
    return min(waiting, default=float(PATIENCE_SECONDS))


def _left(since: str, now: datetime, seconds: int = PATIENCE_SECONDS) -> float:
    """Seconds until it has been so for long enough; a moment that nobody told is now."""
    if not since:
        return float(seconds)
    end = datetime.fromisoformat(since) + timedelta(seconds=seconds)
    return (end - now).total_seconds()
