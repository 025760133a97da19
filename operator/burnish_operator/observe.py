"""Other people's kinds (Job, Pod, Deployment, Service, Node) as the few facts that deciding needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from burnish_engine.layout.runtimes import ServingRuntime
from burnish_engine.outcome import Outcome
from burnish_operator import names
from burnish_operator.ports import Object

_CONTROL_PLANE_TAINTS = frozenset({"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"})
_HARD_EFFECTS = frozenset({"NoSchedule", "NoExecute"})
# Written by controllers while a node is away or cordoned; told by `ready` and `cordoned` already.
_LIFECYCLE_TAINTS = "node.kubernetes.io/"


@dataclass(frozen=True)
class Pod:
    """How one pod of a Job stands or ended, or how one that serves stands.

    engine: what it is told to serve.   unschedulable_since: since when the scheduler has no room for it.
    """

    name: str
    phase: str
    created: str
    node: str = ""
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    ended_by: str = ""
    outcome: Outcome | None = None
    waits_for: str = ""
    engine: str = ""
    track: str = ""
    unschedulable_since: str = ""

    @property
    def ended(self) -> bool:
        """Whether it tells how it ended."""
        return self.exit_code is not None or self.phase == "Failed"


class JobState(StrEnum):
    """Where a Job is."""

    ACTIVE = "Active"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True)
class Job:
    """One Job that builds an engine. `engine` is where it will lie: `<repository>:<key>`.

    accelerator: the class that it was made for.   suspended: somebody holds it back.
    """

    namespace: str
    name: str
    uid: str
    key: str
    engine: str
    owner: str
    target: str
    state: JobState
    created: str
    reason: str = ""
    message: str = ""
    finished: str = ""
    memory_factor: int = 1
    attempt: int = 1
    deleting: bool = False
    accelerator: str = ""
    suspended: bool = False
    pods: tuple[Pod, ...] = ()


@dataclass(frozen=True)
class Workload:
    """A Deployment, or a Service (whose counts stay 0). `engine` is what its pods are told to serve.

    runtime: what they serve it with.   track: "" for what a target has without any canary.
    refused: why no pod can be made, where that is so.   progressed: when its rollout last came further.
    surges: whether a new pod is made before an old one goes.   silent_since: since when too few pods answer.
    """

    name: str
    uid: str
    owner: str
    target: str
    raw: Object = field(repr=False)
    track: str = ""
    engine: str = ""
    runtime: ServingRuntime | None = None
    replicas: int = 0
    current: bool = False
    total: int = 0
    updated: int = 0
    ready: int = 0
    stuck: str = ""
    refused: str = ""
    progressed: str = ""
    surges: bool = True
    silent_since: str = ""
    deleting: bool = False

    @property
    def digest(self) -> str:
        """Digest of the engine."""
        return self.engine.rpartition("@")[2]

    def rolled_out(self, engine: str, replicas: int) -> bool:
        """True where every wanted pod, and no other, runs this engine and answers."""
        counts = (self.replicas, self.total, self.updated, self.ready)
        return self.current and self.engine == engine and all(count == replicas for count in counts)


@dataclass(frozen=True)
class Taint:
    """A taint that keeps pods away."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Node:
    """A node: its labels, whether it takes pods, and what it has."""

    name: str
    labels: Mapping[str, str]
    ready: bool
    cordoned: bool
    control_plane: bool
    taints: tuple[Taint, ...]
    allocatable: Mapping[str, str]
    created: str


def pod_of(raw: Object) -> Pod:
    """Read a pod of a Job or of a Deployment; it has one container that counts."""
    metadata, status = raw["metadata"], raw.get("status", {})
    states = [c.get("state", {}) for c in status.get("containerStatuses", [])]
    ended: dict[str, Any] = next((s["terminated"] for s in states if "terminated" in s), {})
    return Pod(
        name=metadata["name"],
        phase=status.get("phase", ""),
        created=metadata.get("creationTimestamp", ""),
        node=raw.get("spec", {}).get("nodeName", ""),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        exit_code=ended.get("exitCode"),
        ended_by=ended.get("reason", ""),
        outcome=_outcome(ended.get("message", "")),
        waits_for=_waiting(states) or _unscheduled(status),
        engine=metadata.get("annotations", {}).get(names.ENGINE, ""),
        track=metadata.get("labels", {}).get(names.TRACK, ""),
        unschedulable_since=_unschedulable_since(raw),
    )


def _outcome(text: str) -> Outcome | None:
    try:
        return Outcome.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _waiting(states: list[dict[str, Any]]) -> str:
    waiting: dict[str, Any] = next((s["waiting"] for s in states if "waiting" in s), {})
    return ": ".join(part for part in (waiting.get("reason", ""), waiting.get("message", "")) if part)


def _unscheduled(status: Object) -> str:
    found = _condition(status, "PodScheduled")
    return "" if found.get("status") != "False" else f"{found.get('reason', '')}: {found.get('message', '')}"


def _unschedulable_since(raw: Object) -> str:
    found = _condition(raw.get("status", {}), "PodScheduled")
    waits = (found.get("status"), found.get("reason")) == ("False", "Unschedulable")
    leaves = "deletionTimestamp" in raw["metadata"]
    return found.get("lastTransitionTime") or "" if waits and not leaves else ""


def job_of(raw: Object, pods: tuple[Pod, ...] = ()) -> Job:
    """Read a Job that Burnish made."""
    metadata, status = raw["metadata"], raw.get("status", {})
    annotations = metadata.get("annotations", {})
    ended = _ending(status)
    return Job(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        key=annotations.get(names.ENGINE_KEY, ""),
        engine=annotations.get(names.ENGINE, ""),
        owner=owner_of(metadata),
        target=metadata.get("labels", {}).get(names.TARGET, ""),
        state=_STATES[ended.get("type", "")],
        created=metadata.get("creationTimestamp", ""),
        reason=ended.get("reason", ""),
        message=ended.get("message", ""),
        finished=ended.get("lastTransitionTime", ""),
        memory_factor=int(annotations.get(names.MEMORY_FACTOR, "1")),
        attempt=int(annotations.get(names.ATTEMPT, "1")),
        deleting="deletionTimestamp" in metadata,
        accelerator=metadata.get("labels", {}).get(names.CLASS, ""),
        suspended=bool(raw.get("spec", {}).get("suspend", False)),
        pods=tuple(sorted(pods, key=lambda pod: pod.created)),
    )


_STATES = {"": JobState.ACTIVE, "Complete": JobState.SUCCEEDED, "Failed": JobState.FAILED}


def _ending(status: Object) -> dict[str, Any]:
    """The condition that a Job ended by; {} while it has not."""
    found = (_condition(status, "Complete"), _condition(status, "Failed"))
    return next((condition for condition in found if condition.get("status") == "True"), {})


def is_over(job: Object) -> bool:
    """Whether a Job ended: most have, and counting the others need not read them."""
    return bool(_ending(job.get("status", {})))


def workload_of(raw: Object) -> Workload:
    """Read a Deployment or a Service that Burnish made."""
    metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    template = spec.get("template", {}).get("metadata", {}).get("annotations", {})
    progress, failure = _condition(status, "Progressing"), _condition(status, "ReplicaFailure")
    available = _condition(status, "Available")
    return Workload(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        owner=owner_of(metadata),
        target=metadata.get("labels", {}).get(names.TARGET, ""),
        raw=raw,
        track=metadata.get("labels", {}).get(names.TRACK, ""),
        engine=template.get(names.ENGINE, ""),
        runtime=_runtime(template),
        replicas=spec.get("replicas", 1),
        current=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        total=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        stuck=progress.get("message", "") if progress.get("status") == "False" else "",
        refused=failure.get("message", "") if failure.get("status") == "True" else "",
        progressed=progress.get("lastUpdateTime") or "",
        silent_since=available.get("lastTransitionTime", "") if available.get("status") == "False" else "",
        surges=spec.get("strategy", {}).get("rollingUpdate", {}).get("maxSurge") != 0,
        deleting="deletionTimestamp" in metadata,
    )


def _runtime(annotations: Mapping[str, str]) -> ServingRuntime | None:
    """None: one that a newer Burnish knows."""
    told = annotations.get(names.RUNTIME, ServingRuntime.BURNISH.value)
    return ServingRuntime(told) if told in set(ServingRuntime) else None


def node_of(raw: Object) -> Node:
    """Read a node."""
    metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    taints = tuple(Taint(t["key"], t.get("value", ""), t["effect"]) for t in spec.get("taints", []))
    hard = tuple(t for t in taints if t.effect in _HARD_EFFECTS)
    return Node(
        name=metadata["name"],
        labels=metadata.get("labels", {}),
        ready=_condition(status, "Ready").get("status") == "True",
        cordoned=bool(spec.get("unschedulable", False)),
        control_plane=any(t.key in _CONTROL_PLANE_TAINTS for t in hard),
        taints=tuple(t for t in hard if not t.key.startswith(_LIFECYCLE_TAINTS)),
        allocatable=status.get("allocatable", {}),
        created=metadata.get("creationTimestamp", ""),
    )


def _condition(status: Object, kind: str) -> dict[str, Any]:
    return next((c for c in status.get("conditions", []) if c.get("type") == kind), {})


def owner_of(metadata: Object) -> str:
    """The uid of the object that controls this one; "" if none does."""
    return next((str(o["uid"]) for o in metadata.get("ownerReferences", []) if o.get("controller")), "")
