"""Events of the cluster wake keys; nothing is decided here."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from burnish_engine.digest import of_json
from burnish_operator import names
from burnish_operator.hardware import is_hardware
from burnish_operator.mirror import CLUSTER_KINDS, Mirror, Missed, compare
from burnish_operator.ports import (
    ACCELERATOR_CLASS,
    DEPLOYMENT,
    JOB,
    KINDS,
    NODE,
    OPTIMIZED_MODEL,
    POD,
    SERVICE,
    Cluster,
    Kind,
)

_OWN_KINDS = (JOB, DEPLOYMENT, SERVICE, POD)
# Controllers write a Deployment's status several times in a moment: one look at the end of it is enough.
SETTLE_SECONDS = 0.5


@dataclass(frozen=True)
class Key:
    """What a reconcile is about: one model, or (without a name) the inventory of hardware.

    kind: the mirror of this kind, which is to be compared with the cluster.
    """

    namespace: str = ""
    name: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return f"mirror of {self.kind}" if self.kind else f"{self.namespace}/{self.name or 'inventory'}"


INVENTORY = Key()
Wake = Callable[[Key], Awaitable[None]]
Listener = Callable[[dict[str, Any], dict[str, Any]], Awaitable[None]]
Soon = Callable[[Key, float], Awaitable[None]]


class _Model(NamedTuple):
    """Which object it is, and the labels of nodes that it selects by."""

    uid: str
    selects: frozenset[str]


@dataclass
class Waker:
    """Who must be woken by what. Knows names and nothing else, all of it rebuilt from the first listing."""

    wake: Wake
    soon: Soon | None = None
    _models: dict[Key, _Model] = field(default_factory=dict)
    _labelled: dict[tuple[str, str], set[Key]] = field(default_factory=dict)
    _nodes: dict[str, str] = field(default_factory=dict)

    async def model(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        """An OptimizedModel changed."""
        metadata = body["metadata"]
        key, uid = Key(metadata["namespace"], metadata["name"]), metadata.get("uid", "")
        if event.get("type") == "DELETED":
            # Late word of one that was made anew under its name must not take that one's place.
            if key in self._models and self._models[key].uid == uid:
                self._forget(key)
        else:
            self._labelled.setdefault(_label_of(key), set()).add(key)
            targets = body.get("spec", {}).get("targets") or []
            selects = frozenset(label for t in targets for label in t.get("nodeSelector") or {})
            self._models[key] = _Model(uid, selects)
        await self.wake(key)

    def _forget(self, key: Key) -> None:
        self._models.pop(key, None)
        others = self._labelled.pop(_label_of(key), set()) - {key}
        if others:
            self._labelled[_label_of(key)] = others

    async def owned(self, body: dict[str, Any]) -> None:
        """An object with our labels changed: its model looks."""
        metadata = body["metadata"]
        model = metadata.get("labels", {}).get(names.MODEL, "")
        for key in sorted(self._labelled.get((metadata["namespace"], model), ()), key=lambda key: key.name):
            await (self.soon(key, SETTLE_SECONDS) if self.soon else self.wake(key))

    async def accelerator_class(self) -> None:
        """A class changed: every model may have other targets, and the inventory may have to repair it."""
        await self.wake(INVENTORY)
        for key in list(self._models):
            await self.wake(key)

    async def node(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        """A node came, went, or changed in what defines its hardware; nothing else counts."""
        name = body["metadata"]["name"]
        found = "" if event.get("type") == "DELETED" else self._fingerprint(body)
        if self._nodes.get(name) == found:
            return
        if found:
            self._nodes[name] = found
        else:
            self._nodes.pop(name, None)
        await self.wake(INVENTORY)
        for key, model in list(self._models.items()):
            if model.selects:
                await self.wake(key)

    def _fingerprint(self, body: dict[str, Any]) -> str:
        selected = frozenset().union(*(model.selects for model in self._models.values()))
        labels = body["metadata"].get("labels", {})
        status, spec = body.get("status", {}), body.get("spec", {})
        ready = [c.get("status") for c in status.get("conditions", []) if c.get("type") == "Ready"]
        counted = {k: v for k, v in labels.items() if is_hardware(k) or k in selected}
        taints = spec.get("taints", [])
        facts = [counted, ready, spec.get("unschedulable", False), taints, status.get("allocatable", {})]
        return of_json([dict(part) if hasattr(part, "items") else part for part in facts])


def _label_of(key: Key) -> tuple[str, str]:
    return key.namespace, names.label_value(key.name)


def listeners(waker: Waker, *, cluster_scoped: bool) -> dict[Kind, Listener]:
    """Who is told of events, by kind. Without cluster rights, nodes and classes are left alone."""
    told: dict[Kind, Listener] = {
        OPTIMIZED_MODEL: waker.model,
        **dict.fromkeys(_OWN_KINDS, lambda _, body: waker.owned(body)),
    }
    if cluster_scoped:
        told |= {ACCELERATOR_CLASS: lambda *_: waker.accelerator_class(), NODE: waker.node}
    return told


@dataclass(frozen=True)
class Comparer:
    """Brings a mirror and the cluster together again, where a watch missed something."""

    mirror: Mirror
    cluster: Cluster
    told: Mapping[Kind, Listener]

    def compare(self, kind: str) -> Missed:
        """What a watch had not told. Raises: the cluster's errors."""
        return compare(self.mirror, self.cluster, KINDS[kind])

    async def tell(self, missed: Missed) -> None:
        """Wake whom it concerns."""
        for event, objects in (("DELETED", missed.ended), (None, missed.news)):
            for obj in objects:
                await self.told[KINDS[obj["kind"]]]({"type": event}, obj)


def concerns(kind: Kind, event: str | None, *, news: bool) -> bool:
    """Whether anyone must look. Who wrote an object knows what its answer told; a class is for all models."""
    return news or event in (None, "DELETED") or kind in CLUSTER_KINDS
