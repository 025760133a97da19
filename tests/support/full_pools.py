"""A model whose pool has no accelerator to spare, for tests of deciding: its new pod waits."""

from datetime import timedelta
from typing import Any

from burnish_operator.names import ENGINE
from burnish_operator.ports import DEPLOYMENT, OPTIMIZED_MODEL, POD, Object
from fakes.fleet import SMALL, Fleet, model, node

WORKLOAD = "pages-cpu-amd-25-17-small"
SURGES = {"maxUnavailable": 0, "maxSurge": 1}
TIGHT = {"maxUnavailable": 1, "maxSurge": 0}
SAYS = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu"


def fleet(replicas: int, **spec: Any) -> Fleet:
    """A model that serves its first engine."""
    found = Fleet(node("a", SMALL))
    found.cluster.put(model(serving={"replicas": replicas}, **spec))
    found.settle()
    return found


def deployment(found: Fleet, name: str = WORKLOAD) -> Object:
    return found.cluster.objects["Deployment", "team", name]


def bounds(found: Fleet) -> Any:
    return deployment(found)["spec"]["strategy"]["rollingUpdate"]


def change(found: Fleet, **spec: Any) -> None:
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec=spec)


def upgraded(found: Fleet) -> Fleet:
    """With another engine rolled out, as far as the operator goes."""
    before = deployment(found)["spec"]["template"]
    change(found, precisions=["FP32"])
    while deployment(found)["spec"]["template"] == before:
        found.operate()
        for job in found.jobs():
            if not job.get("status", {}).get("conditions"):
                found.end_job(job, found.succeed(job))
    return found


def says(found: Fleet, total: int, updated: int, ready: int, **conditions: Any) -> None:
    """What the Deployment controller tells now, of a moment ago."""
    stored = deployment(found)
    progress = {"type": "Progressing", "status": "True", "lastUpdateTime": now(found)}
    status = {
        "observedGeneration": stored["metadata"]["generation"],
        "conditions": [progress | conditions.pop("progress", {}), *conditions.values()],
        "replicas": total,
        "updatedReplicas": updated,
        "readyReplicas": ready,
    }
    found.patch(DEPLOYMENT, stored["metadata"], status=status)


def now(found: Fleet) -> str:
    return found.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def waits(found: Fleet, name: str = "new", workload: str = WORKLOAD, **changes: Any) -> None:
    """A pod of what is rolled out, for which the scheduler has no room from now on."""
    template = deployment(found, workload)["spec"]["template"]["metadata"]
    annotations = {ENGINE: changes.get("engine", template["annotations"][ENGINE])}
    placed = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": SAYS}
    placed["lastTransitionTime"] = now(found)
    metadata = {"name": name, "namespace": "team", "labels": template["labels"], "annotations": annotations}
    pod = {"apiVersion": "v1", "kind": POD.kind, "metadata": metadata, "spec": {}}
    found.cluster.put(pod | {"status": {"phase": "Pending", "conditions": [placed]}})


def full(replicas: int, **spec: Any) -> Fleet:
    """With a new pod that waits, since this moment, beside the old ones that answer."""
    found = upgraded(fleet(replicas, **spec))
    says(found, replicas + 1, 1, replicas)
    waits(found)
    return found


def turn(found: Fleet, seconds: float = 0) -> float | None:
    """One turn, so much later; told: when the next one is wanted."""
    found.clock.time += timedelta(seconds=seconds)
    return found.models.reconcile("team", "pages")
