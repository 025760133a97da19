"""A share of the traffic as a number of pods: a Service gives every ready pod the same."""

from burnish_operator.api import CanaryPhase, CanaryStatus, CanaryStep, Rollout
from burnish_operator.observe import Workload


def step_of(spec: Rollout, canary: CanaryStatus) -> CanaryStep:
    """The present step; of steps that became fewer meanwhile the last one."""
    return spec.canary_steps[min(canary.step, len(spec.canary_steps)) - 1]


def pods(weight: int, replicas: int) -> int:
    """Pods of the canary beside `replicas` others that stay: within the share, and one at least."""
    return max(1, replicas * weight // (100 - weight))


def pods_in_place(weight: int, replicas: int) -> int:
    """Pods of the canary among `replicas`: within the share, and one at least."""
    return max(1, replicas * weight // 100)


def of_canary(spec: Rollout, canary: CanaryStatus, replicas: int) -> int:
    """Pods of the canary in its present step. An only pod has no place to give."""
    count = pods_in_place if canary.in_place and replicas > 1 else pods
    return count(step_of(spec, canary).weight, replicas)


def of_stable(spec: Rollout, canary: CanaryStatus | None, replicas: int) -> int:
    """Pods of the others meanwhile: all, unless the canary proves itself in the places of some."""
    proves = canary is not None and canary.phase is CanaryPhase.STEPPING
    if canary is None or not proves or not canary.in_place or replicas < 2:
        return replicas
    return replicas - of_canary(spec, canary, replicas)


def percent(canary: Workload | None, stable: Workload | None) -> int:
    """Of the pods that answer, how many are the canary's."""
    ours, theirs = canary.ready if canary else 0, stable.ready if stable else 0
    return round(100 * ours / (ours + theirs)) if ours else 0
