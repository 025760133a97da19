"""The Deployment controller and the kubelets of serving pods, as far as readiness goes.

A Deployment has replica sets, one a pod template; pods have a node and are ready or not. The controller
moves one pod at a time and only then writes the status: what the operator reads lags, as in a cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from burnish_operator import names
from burnish_operator.ports import Object

PROGRESS_DEADLINE_SECONDS = 600


@dataclass
class Pod:
    """A serving pod; without a node it is pending."""

    node: str = ""
    ready: bool = False


@dataclass
class ReplicaSet:
    """The pods of one template."""

    template: Object
    engine: str
    affinity: list[Object]
    pods: list[Pod] = field(default_factory=list)

    @property
    def ready(self) -> int:
        """Pods that answer."""
        return sum(pod.ready for pod in self.pods)


@dataclass
class Workload:
    """The replica sets of one Deployment, the oldest first."""

    sets: list[ReplicaSet] = field(default_factory=list)
    progressed: float = 0.0

    @property
    def ready(self) -> int:
        """Pods that answer."""
        return sum(each.ready for each in self.sets)

    @property
    def total(self) -> int:
        """All pods."""
        return sum(len(each.pods) for each in self.sets)

    def reconcile(self, deployment: Object, now: float) -> bool:
        """One move of the controller towards the spec; told: there was one."""
        current = self._current(deployment["spec"])
        moved = self._move(deployment["spec"], current)
        self.sets = [each for each in self.sets if each.pods or each is current]
        self.progressed = now if moved else self.progressed
        return moved

    def status(self, deployment: Object, now: float) -> Object:
        """What the controller writes down."""
        current, replicas = self._current(deployment["spec"]), deployment["spec"]["replicas"]
        complete = current.ready == len(current.pods) == replicas == self.total
        late = not complete and now - self.progressed > PROGRESS_DEADLINE_SECONDS
        progress = {"type": "Progressing", "status": "False" if late else "True", "message": ""}
        progress |= {"message": "timed out progressing."} if late else {}
        return {
            "observedGeneration": deployment["metadata"]["generation"],
            "conditions": [progress],
            "replicas": self.total,
            "updatedReplicas": len(current.pods),
            "readyReplicas": self.ready,
        }

    def _current(self, spec: Object) -> ReplicaSet:
        found = next((each for each in self.sets if each.template == spec["template"]), None)
        if found is None:
            found = ReplicaSet(spec["template"], _engine(spec), affinity_of(spec["template"]["spec"]))
        else:
            self.sets.remove(found)
        self.sets.append(found)
        return found

    def _move(self, spec: Object, current: ReplicaSet) -> bool:
        replicas, (unavailable, surge) = spec["replicas"], _bounds(spec["strategy"], spec["replicas"])
        old = [each for each in self.sets if each is not current and each.pods]
        if old and spec["strategy"]["type"] == "Recreate":
            old[0].pods.pop()
            return True
        if len(current.pods) > replicas:
            current.pods.remove(min(current.pods, key=lambda pod: pod.ready))
            return True
        if len(current.pods) < replicas and self.total < replicas + surge:
            current.pods.append(Pod())
            return True
        return self._retire(old, replicas - unavailable)

    def _retire(self, old: list[ReplicaSet], minimum: int) -> bool:
        for each in old:
            idle = next((pod for pod in each.pods if not pod.ready), None)
            if idle is not None:
                each.pods.remove(idle)
                return True
            if self.ready - 1 >= minimum:
                each.pods.pop()
                return True
        return False


def _bounds(strategy: Object, replicas: int) -> tuple[int, int]:
    rolling = strategy.get("rollingUpdate", {})
    surge = int(rolling.get("maxSurge", 0))
    # The API server refuses both at 0; without surge one pod at least must go first.
    return int(rolling.get("maxUnavailable", 0)) or (0 if surge else min(1, replicas)), surge


def _engine(spec: Object) -> str:
    engine: str = spec["template"]["metadata"]["annotations"][names.ENGINE]
    return engine


def affinity_of(pod: Object) -> list[Object]:
    """The label expressions that a node must fulfil."""
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    expressions: list[Object] = required["nodeSelectorTerms"][0]["matchExpressions"]
    return expressions


def admits(expressions: list[Object], labels: Mapping[str, str]) -> bool:
    """As the scheduler judges a node's labels."""
    return all(
        labels.get(each["key"]) in each["values"] if each["operator"] == "In" else each["key"] not in labels
        for each in expressions
    )
