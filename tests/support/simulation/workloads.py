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
    """A serving pod; without a node it is pending. unschedulable_since: since when it has no place."""

    node: str = ""
    ready: bool = False
    unschedulable_since: str = ""


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
    """The replica sets of one Deployment, the oldest first.

    progressed: when it last came further.   told: what the condition says about that, by the wall clock.
    """

    sets: list[ReplicaSet] = field(default_factory=list)
    progressed: float = 0.0
    told: str = ""
    late: bool = False
    silent_since: str = ""

    @property
    def ready(self) -> int:
        """Pods that answer."""
        return sum(each.ready for each in self.sets)

    @property
    def total(self) -> int:
        """All pods."""
        return sum(len(each.pods) for each in self.sets)

    def reconcile(self, deployment: Object, now: float, wall: str) -> bool:
        """One move of the controller towards the spec; told: there was one."""
        current = self.current(deployment["spec"])
        moved = self._move(deployment["spec"], current)
        self.sets = [each for each in self.sets if each.pods or each is current]
        if moved or not self.told:
            self.progress(now, wall)
        return moved

    def progress(self, now: float, wall: str) -> None:
        """It came further."""
        self.progressed, self.told = now, wall

    def status(self, deployment: Object, now: float, wall: str) -> Object:
        """What the controller writes down. That the time is over is told as news."""
        current, replicas = self.current(deployment["spec"]), deployment["spec"]["replicas"]
        complete = current.ready == len(current.pods) == replicas == self.total
        late = not complete and now - self.progressed > PROGRESS_DEADLINE_SECONDS
        self.told, self.late = wall if late and not self.late else self.told, late
        progress = {"type": "Progressing", "status": "False" if late else "True", "message": ""}
        progress |= {"message": "timed out progressing."} if late else {}
        progress["lastUpdateTime"] = self.told
        return {
            "observedGeneration": deployment["metadata"]["generation"],
            "conditions": [progress, self._available(deployment["spec"], wall)],
            "replicas": self.total,
            "updatedReplicas": len(current.pods),
            "readyReplicas": self.ready,
        }

    def _available(self, spec: Object, wall: str) -> Object:
        enough = self.ready >= spec["replicas"] - _bounds(spec["strategy"], spec["replicas"])[0]
        self.silent_since = "" if enough else self.silent_since or wall
        told = {} if enough else {"lastTransitionTime": self.silent_since}
        return {"type": "Available", "status": "True" if enough else "False", **told}

    def current(self, spec: Object) -> ReplicaSet:
        """The replica set of the template that is asked for."""
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
        """Old pods may go as long as enough are left without the new ones that do not answer yet."""
        current = self.sets[-1]
        if self.total - minimum - (len(current.pods) - current.ready) <= 0:
            return False
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
