"""Pools with so much room and no more: how many serving pods of one model fit on one target.

Pods of Deployments are no objects here; whoever lists them gets them made up from the replica sets.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from burnish_operator import names
from burnish_operator.ports import DEPLOYMENT, OPTIMIZED_MODEL, POD, Kind, Object
from fakes.cluster import FakeCluster, copied

if TYPE_CHECKING:
    from support.simulation.workloads import Pod
    from support.simulation.world import World

Group = tuple[str, str, str]
"""Namespace, model and target, as labels tell them: a Deployment and its canary's share a pool."""
_ROOMS: tuple[int | None, ...] = (0, 0, 0, 1, 2, -1, None)
# Most models have one pod on each target; with two or more they can be replaced in a full pool.
_REPLICAS = (None, 2, 3, 2)
_PRECISIONS = (None, ["FP32"], ["INT8"], ["FP32", "BF16", "INT8"])
_CANARY = {"strategy": "Canary", "steps": [{"weight": 20, "pause": "1m"}, {"weight": 50, "pause": "1m"}]}
_ROLLOUTS: tuple[Object | None, ...] = (None, _CANARY | {"analysis": None, "paused": False}, None)
# What had waited for too long before may be told now.
_SOON = timedelta(seconds=60)
_SERVES = "app.kubernetes.io/component"


def group_of(deployment: Object) -> Group:
    """Whose pods a Deployment has."""
    labels = deployment["metadata"]["labels"]
    return deployment["metadata"]["namespace"], labels[names.MODEL], labels[names.TARGET]


def is_canary(deployment: Object) -> bool:
    """Whether it is the Deployment of a canary."""
    return deployment["metadata"].get("labels", {}).get(names.TRACK) == names.CANARY


def narrow(world: "World", one: int, two: int) -> str:
    """A user asks for more pods, and the pool has room for just those; now and then for some more or less."""
    deployments = world.cluster.of_kind(DEPLOYMENT)
    if not deployments:
        return "nothing is deployed"
    group, spare = group_of(deployments[one % len(deployments)]), _ROOMS[two % len(_ROOMS)]
    changed = _change(world, group, two // len(_ROOMS))
    wanted = _wanted(world, group)
    if spare is None or wanted is None:
        world.rooms.pop(group, None)
        return f"plenty of room for {group}{changed}"
    world.rooms[group] = max(0, wanted + spare)
    return f"room for {world.rooms[group]} pod(s) of {group}, {wanted} are asked for{changed}"


def _change(world: "World", group: Group, number: int) -> str:
    """A user wants more pods, another engine, canaries, or all of it: only then a full pool matters."""
    replicas = _REPLICAS[number % len(_REPLICAS)]
    precisions = _PRECISIONS[number // len(_REPLICAS) % len(_PRECISIONS)]
    strategy = _ROLLOUTS[number // len(_REPLICAS) // len(_PRECISIONS) % len(_ROLLOUTS)]
    if ("OptimizedModel", *group[:2]) not in world.cluster.objects:
        return ""
    parts = {"serving": replicas and {"replicas": replicas}, "precisions": precisions, "rollout": strategy}
    spec = copied({name: part for name, part in parts.items() if part})
    world.cluster.update(OPTIMIZED_MODEL, *group[:2], spec=spec)
    return f", edited: {spec}"


def fill_up(world: "World") -> None:
    """Whoever runs the pools sees to room for the replicas that are asked for, and for none beside them."""
    wanted = {group: _wanted(world, group) for group in world.rooms}
    world.rooms = {group: max(room, wanted[group] or 0) for group, room in world.rooms.items()}
    for deployment in world.cluster.of_kind(DEPLOYMENT):
        world.schedule(deployment)


def turned_away(world: "World", since: datetime) -> list[str]:
    """Engines that were rejected for want of room, a while after pools had it for all replicas."""
    return [
        f"{raw['metadata']['name']} on {entry['name']}: {rejected['reason']}: {rejected['message']}"
        for raw in world.models()
        for entry in raw.get("status", {}).get("targets", [])
        for rejected in entry.get("rejected", [])
        if rejected["reason"] in ("CanaryUnschedulable", "PromotionStuck")
        and replicas_of(raw["spec"], entry["name"]) > 1
        and datetime.fromisoformat(rejected["time"]) - since > _SOON
        # Pods that cannot become ready hold their places.
        and _loads(world, rejected["stable"])
        and _loads(world, f"@{rejected['digest']}")
    ]


def _loads(world: "World", reference: str) -> bool:
    found = world.store.pulls(reference)
    return found is not None and found.loads


def _wanted(world: "World", group: Group) -> int | None:
    namespace, model, target = group
    found = world.cluster.objects.get(("OptimizedModel", namespace, model))
    return replicas_of(found["spec"], target) if found else None


def replicas_of(spec: Object, target: str) -> int:
    """Replicas that a spec asks for on a target."""
    own = next((t.get("replicas") for t in spec.get("targets", []) if target_name(t) == target), None)
    wanted: Any = own if own is not None else spec.get("serving", {}).get("replicas", 1)
    return int(wanted)


def target_name(target: Object) -> str:
    """What a target of a spec is called."""
    return str(target.get("name") or target.get("acceleratorClass", ""))


class PoolCluster(FakeCluster):
    """An API server that lists pods of Deployments too."""

    world: "World"

    def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> list[Object]:
        if kind is not POD or _SERVES not in (labels or {}):
            return super().find(kind, namespace, labels, fresh=fresh)
        wanted = (labels or {}).items()
        return [pod for pod in self._serving(namespace) if wanted <= pod["metadata"]["labels"].items()]

    def _serving(self, namespace: str) -> Iterator[Object]:
        for deployment in self.of_kind(DEPLOYMENT):
            if deployment["metadata"]["namespace"] == namespace:
                for first, each in enumerate(self.world.workload(deployment).sets):
                    for second, pod in enumerate(each.pods):
                        name = f"{deployment['metadata']['name']}-{first}-{second}"
                        yield _object(pod, each.template["metadata"], namespace, name)


def _object(pod: "Pod", metadata: Object, namespace: str, name: str) -> Object:
    parts = {"labels": metadata["labels"], "annotations": metadata["annotations"]}
    placed = {"type": "PodScheduled", "status": "True"}
    if pod.unschedulable_since:
        placed = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/4 nodes are available.",
            "lastTransitionTime": pod.unschedulable_since,
        }
    return {
        "apiVersion": POD.api_version,
        "kind": POD.kind,
        "metadata": {"name": name, "namespace": namespace, **parts},
        "spec": {"nodeName": pod.node} if pod.node else {},
        "status": {"conditions": [placed] if pod.node or pod.unschedulable_since else []},
    }
