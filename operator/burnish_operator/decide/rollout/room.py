"""Whether there is room for one pod more: the scheduler says so of a pod that was made (decisions/0016)."""

from datetime import datetime, timedelta

from burnish_engine.redact import sanitized
from burnish_operator.api import RolloutStrategy
from burnish_operator.decide.rollout.case import Case
from burnish_operator.observe import Pod, Workload
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render.differs import differs

# A pod that goes holds its accelerator until it has drained: only what waits for longer has no room.
PATIENCE_SECONDS = 15
# An only pod that does not answer for a moment comes back; after so long it protects nothing.
SILENCE_SECONDS = 60
NO_ROOM = "NoRoom"
_GOES_ON = "What served before goes on serving, and the rollout goes on by itself once there is room."
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


def halts(seen: Observed, stable: Workload) -> bool:
    """Whether its rollout stands still while older pods are there: it is worth a look at its pods."""
    if not _waits(stable):
        return False
    return bool(stable.stuck) or _left(stable.progressed, seen.now) <= 0


def _waits(stable: Workload) -> bool:
    """Older pods have yet to go, or Kubernetes has given up hope of new ones beside those that answer."""
    given_up = bool(stable.stuck) and stable.ready > 0
    return stable.current and (stable.total > stable.updated or given_up)


def lacking(case: Case) -> Pod | None:
    """A pod of what the stable pods are told to be for which there has been no room for a while."""
    if case.target.nodes == 0:
        # An old pod that goes makes no room where no node takes pods.
        return None
    pods, now = case.seen.stable_pods.get(case.target.name, ()), case.seen.now
    return next((pod for pod in pods if pod.engine == case.served and has_no_room(pod, now)), None)


def has_no_room(pod: Pod, now: datetime) -> bool:
    """Whether the scheduler has said so for long enough."""
    return bool(pod.unschedulable_since) and _left(pod.unschedulable_since, now) <= 0


def is_tight(case: Case, rendered: Object) -> bool:
    """Whether an old pod must go before a new one can come: in this rollout, until it is over."""
    stable, replicas = case.found.stable, rendered["spec"]["replicas"]
    if stable is None or _changes(rendered, stable):
        return False
    if not stable.surges:
        return (replicas > 1 or not stable.ready) and not stable.rolled_out(stable.engine, replicas)
    if lacking(case) is None or stable.total <= stable.updated:
        return False
    return replicas > 1 or _silence_left(stable, case.seen.now) <= 0


def _silence_left(stable: Workload, now: datetime) -> float:
    """Seconds until an only pod that does not answer is given up."""
    since = "" if stable.ready else stable.silent_since
    return _left(since, now, SILENCE_SECONDS)


def _changes(rendered: Object, stable: Workload) -> bool:
    """Whether another rollout begins."""
    return differs(rendered["spec"]["template"], stable.raw["spec"]["template"])


def problem(case: Case) -> str:
    """What to tell where nothing can be replaced for want of room; "" where that is not so."""
    stable, pod = case.found.stable, lacking(case)
    if stable is None or pod is None:
        return ""
    alone = case.target.replicas == 1 and stable.total > stable.updated
    if not stable.ready or not (alone or stable.stuck):
        return ""
    return f"{told(pod)} {_GOES_ON} {_FOR_ONE if alone else _FOR_ALL}"


def told(pod: Pod) -> str:
    """What Kubernetes says of it."""
    return sanitized(f"There is no room for pod {pod.name}: {pod.waits_for.rstrip('.')}.")


def look_again_seconds(case: Case) -> float | None:
    """When to look at the pods again: nothing tells of one for which there is no room."""
    stable, now = case.found.stable, case.seen.now
    if stable is None or not is_asked(case.seen) or not _waits(stable) or stable.stuck:
        return None
    idle = _left(stable.progressed, now)
    if idle > 0:
        return idle
    pods = [pod for pod in case.seen.stable_pods.get(case.target.name, ()) if pod.engine == case.served]
    waiting = [_left(pod.unschedulable_since, now) for pod in pods if not pod.node]
    if lacking(case) and stable.surges and not stable.ready:
        return max(1.0, _silence_left(stable, now))
    # What is known already is told or acted on, and what has a node needs time alone.
    if pods and (not waiting or min(waiting) <= 0):
        return None
    return min(waiting, default=float(PATIENCE_SECONDS))


def _left(since: str, now: datetime, seconds: int = PATIENCE_SECONDS) -> float:
    """Seconds until it has been so for long enough; a moment that nobody told is now."""
    if not since:
        return float(seconds)
    end = datetime.fromisoformat(since) + timedelta(seconds=seconds)
    return (end - now).total_seconds()
