"""A whole world in memory: a cluster with nodes, a registry with a model, and the controllers around.

`Fleet.settle()` lets operator, Job controller, kubelets and Deployment controller take turns until
nothing changes any more.
"""

from collections.abc import Callable
from typing import Any

from burnish_engine.errors import Action, BurnishError
from burnish_engine.outcome import Outcome
from burnish_operator import names
from burnish_operator.api import OptimizedModel, OptimizedModelStatus
from burnish_operator.inventory import InventoryReconciler
from burnish_operator.metrics import Metrics
from burnish_operator.observe import workload_of
from burnish_operator.ports import DEPLOYMENT, JOB, NODE, OPTIMIZED_MODEL, POD, Kind, Object
from burnish_operator.reconcile import ModelReconciler, World
from burnish_operator.settings import Settings
from fakes.cluster import FakeClock, FakeCluster
from fakes.events import FakeEvents
from fakes.prometheus import FakePrometheus
from fakes.registry import FakeRegistry

SETTINGS = Settings(
    optimizer_image="r.example/optimizer:1",
    serving_image="r.example/serving:1",
    repository="r.example/engines",
    prometheus_url="http://prometheus.example:9090",
)
SOURCE = "oci://r.example/models/pages:1"
NFD = "feature.node.kubernetes.io"
SMALL = {
    "kubernetes.io/arch": "amd64",
    "node.kubernetes.io/instance-type": "small",
    f"{NFD}/cpu-model.vendor_id": "AMD",
    f"{NFD}/cpu-model.family": "25",
    f"{NFD}/cpu-model.id": "17",
    f"{NFD}/cpu-cpuid.AVX2": "true",
}
LARGE = SMALL | {"node.kubernetes.io/instance-type": "large"}
H100 = {
    "kubernetes.io/arch": "amd64",
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.memory": "81559",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.compute.major": "9",
    "nvidia.com/gpu.compute.minor": "0",
    "nvidia.com/cuda.driver-version.major": "570",
}
Verdict = Callable[[Object], dict[str, Any]]


def node(name: str, labels: dict[str, str], **parts: Any) -> Object:
    """A ready node of ten minutes ago."""
    status = {
        "conditions": [{"type": "Ready", "status": parts.pop("ready", "True")}],
        "allocatable": parts.pop("allocatable", {"cpu": "4", "memory": "16Gi"}),
    }
    created = parts.pop("created", "2026-05-04T09:50:00Z")
    metadata = {
        "name": name,
        "labels": {"kubernetes.io/hostname": name, **labels},
        "creationTimestamp": created,
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": parts, "status": status}


def model(name: str = "pages", namespace: str = "team", **spec: Any) -> Object:
    """A short OptimizedModel."""
    return {
        "apiVersion": "burnish.dev/v1alpha1",
        "kind": "OptimizedModel",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"source": {"uri": SOURCE}, **spec},
    }


class Fleet:
    """Everything that a test of the whole loop needs; `kill` replaces the operator by a new one."""

    def __init__(self, *nodes: Object, settings: Settings = SETTINGS) -> None:
        self.clock = FakeClock()
        self.cluster = FakeCluster(self.clock)
        self.registry = FakeRegistry()
        self.registry.tags[SOURCE] = "sha256:" + "1" * 64
        self.events = FakeEvents()
        self.prometheus = FakePrometheus()
        self.settings = settings
        self.verdict: Verdict = self.succeed
        self.rollouts_stuck = False
        # Engines (`oci://…`) whose pods never answer.
        self.broken: set[str] = set()
        for each in nodes:
            self.cluster.put(each)
        self.restart()

    def restart(self) -> None:
        """A new operator process: nothing that was in memory is left."""
        self.metrics = Metrics()
        world = World(self.cluster, self.registry, self.events, self.clock, self.prometheus)
        self.models = ModelReconciler(world, self.settings, self.metrics)
        self.inventory = InventoryReconciler(self.cluster, self.clock)

    def operate(self) -> None:
        """One turn of every key."""
        if self.cluster.of_kind(NODE):
            self.inventory.reconcile()
        for raw in self.cluster.of_kind(OPTIMIZED_MODEL):
            try:
                self.models.reconcile(raw["metadata"]["namespace"], raw["metadata"]["name"])
            except BurnishError:
                continue  # told in the status; the queue would back off

    def settle(self, *, turns: int = 30, work: bool = True) -> None:
        """Take turns until nothing changes; `work` lets Jobs run."""
        for _ in range(turns):
            before = {
                place: obj["metadata"]["resourceVersion"] for place, obj in self.cluster.objects.items()
            }
            self.operate()
            self.control(work=work)
            now = {place: obj["metadata"]["resourceVersion"] for place, obj in self.cluster.objects.items()}
            if before == now:
                return
        raise AssertionError(f"not settled after {turns} turns; last writes: {self.cluster.writes[-6:]}")

    def control(self, *, work: bool = True) -> None:
        """Job controller, kubelets, Deployment controller."""
        for job in list(self.cluster.of_kind(JOB)):
            if work and not job.get("status", {}).get("conditions"):
                self.end_job(job, self.verdict(job))
        for deployment in list(self.cluster.of_kind(DEPLOYMENT)):
            self._roll(deployment)

    def succeed(self, job: Object) -> dict[str, Any]:
        """The optimizer pushes an engine and says so."""
        engine = self.registry.push(job["metadata"]["annotations"][names.ENGINE])
        message = engine.outcome.to_termination_message().decode()
        return {"exitCode": 0, "reason": "Completed", "message": message}

    def end_job(self, job: Object, terminated: dict[str, Any], reason: str = "BackoffLimitExceeded") -> None:
        """Give a Job one pod that ended like this, and the condition that follows."""
        now = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata, succeeded = job["metadata"], terminated.get("exitCode") == 0
        labels = job["spec"]["template"]["metadata"]["labels"] | {
            "batch.kubernetes.io/job-name": metadata["name"]
        }
        owner = {"uid": metadata["uid"], "kind": "Job", "name": metadata["name"], "controller": True}
        status = {
            "phase": "Succeeded" if succeeded else "Failed",
            "containerStatuses": [{"name": "optimizer", "state": {"terminated": terminated}}],
        }
        self.cluster.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{metadata['name']}-{metadata['uid']}",
                    "namespace": metadata["namespace"],
                    "labels": labels,
                    "ownerReferences": [owner],
                },
                "spec": {"nodeName": "n"},
                "status": status,
            }
        )
        kind = "Complete" if succeeded else "Failed"
        condition = {
            "type": kind,
            "status": "True",
            "lastTransitionTime": now,
            "reason": "" if succeeded else reason,
        }
        self.patch(JOB, metadata, status={"conditions": [condition]})

    def _roll(self, deployment: Object) -> None:
        metadata, replicas = deployment["metadata"], deployment["spec"].get("replicas", 1)
        progress = {"type": "Progressing", "status": "True", "message": ""}
        counts = {"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas}
        if workload_of(deployment).engine in self.broken:
            counts["readyReplicas"] = 0
        if self.rollouts_stuck:
            progress = {"type": "Progressing", "status": "False", "message": "timed out progressing."}
            counts = {"replicas": replicas + 1, "updatedReplicas": 1, "readyReplicas": replicas}
        status = {"observedGeneration": metadata["generation"], "conditions": [progress], **counts}
        self.patch(DEPLOYMENT, metadata, status=status)

    def patch(self, kind: Kind, metadata: Object, **parts: Any) -> None:
        """Merge parts into a stored object."""
        self.cluster.update(kind, metadata.get("namespace", ""), metadata["name"], **parts)

    def status(self, name: str = "pages", namespace: str = "team") -> OptimizedModelStatus:
        """The stored status of a model."""
        raw = self.cluster.get(OPTIMIZED_MODEL, namespace, name)
        assert raw is not None
        return OptimizedModel.from_dict(raw).status

    def condition(self, kind: str, name: str = "pages", namespace: str = "team") -> tuple[str, str]:
        """Status and reason of a condition."""
        found = next(c for c in self.status(name, namespace).conditions if c.type == kind)
        return found.status.value, found.reason

    def jobs(self) -> list[Object]:
        """All stored Jobs."""
        return self.cluster.of_kind(JOB)

    def pods(self) -> list[Object]:
        """All stored pods."""
        return self.cluster.of_kind(POD)


def failing(reason: str, action: Action | None, exit_code: int) -> Verdict:
    """A verdict: the optimizer says what was wrong."""

    def verdict(job: Object) -> dict[str, Any]:
        key = job["metadata"]["annotations"][names.ENGINE_KEY]
        outcome = Outcome(succeeded=False, key=key, reason=reason, message=f"{reason} told.", action=action)
        message = outcome.to_termination_message().decode()
        return {"exitCode": exit_code, "reason": "Error", "message": message}

    return verdict


def oom(_: Object) -> dict[str, Any]:
    """A verdict: the kernel ended the optimizer."""
    return {"exitCode": 137, "reason": "OOMKilled"}
