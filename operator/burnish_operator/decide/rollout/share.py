"""A share of the traffic as a number of pods: a Service gives every ready pod the same."""

from burnish_operator.api import CanaryStatus, CanaryStep, Rollout
from burnish_operator.observe import Workload


def step_of(spec: Rollout, canary: CanaryStatus) -> CanaryStep:
    """The present step; of steps that became fewer meanwhile the last one."""
    return spec.canary_steps[min(canary.step, len(spec.canary_steps)) - 1]


def pods(weight: int, replicas: int) -> int:
    """Pods of the canary beside `replicas` others that stay: within the share, and one at least."""
    return max(1, replicas * weight // (100 - weight))


def percent(canary: Workload | None, stable: Workload | None) -> int:
    """Of the pods that answer, how many are the canary's."""
    ours, theirs = canary.ready if canary else 0, stable.ready if stable else 0
    return round(100 * ours / (ours + theirs)) if ours else 0
