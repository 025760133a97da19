"""Events of the cluster wake keys; nothing is decided here.

kopf only watches: `on.event` handlers keep neither annotations nor finalizers in anyone's objects.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import kopf

from burnish_engine.digest import of_json
from burnish_operator import names, watches
from burnish_operator.hardware import is_hardware
from burnish_operator.mirror import CLUSTER_KINDS, Mirror, compare
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
    Object,
)

OURS = f"{names.MANAGED_BY}={names.MANAGER}"
# Only pods of Jobs carry a key, and only they are read: what a Deployment's pods do, the Deployment tells.
OURS_THAT_BUILD = f"{OURS},{names.ENGINE_KEY}"
_OWN_KINDS = {JOB: OURS, DEPLOYMENT: OURS, SERVICE: OURS, POD: OURS_THAT_BUILD}
# Controllers write a Deployment's status several times in a moment: one look at the end of it is enough.
SETTLE_SECONDS = 0.2


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


@dataclass
class Waker:
    """Who must be woken by what. Knows names and nothing else, all of it rebuilt from the first listing."""

    wake: Wake
    soon: Soon | None = None
    _models: dict[Key, frozenset[str]] = field(default_factory=dict)
    _labelled: dict[tuple[str, str], set[Key]] = field(default_factory=dict)
    _nodes: dict[str, str] = field(default_factory=dict)

    async def model(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        """An OptimizedModel changed."""
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        if event.get("type") == "DELETED":
            self._forget(key)
        else:
            self._labelled.setdefault(_label_of(key), set()).add(key)
            targets = body.get("spec", {}).get("targets") or []
            self._models[key] = frozenset(label for t in targets for label in t.get("nodeSelector") or {})
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
        for key, selected in list(self._models.items()):
            if selected:
                await self.wake(key)

    def _fingerprint(self, body: dict[str, Any]) -> str:
        selected = frozenset().union(*self._models.values())
        labels = body["metadata"].get("labels", {})
        status, spec = body.get("status", {}), body.get("spec", {})
        ready = [c.get("status") for c in status.get("conditions", []) if c.get("type") == "Ready"]
        counted = {k: v for k, v in labels.items() if is_hardware(k) or k in selected}
        taints = spec.get("taints", [])
        facts = [counted, ready, spec.get("unschedulable", False), taints, status.get("allocatable", {})]
        return of_json([dict(part) if hasattr(part, "items") else part for part in facts])


def _label_of(key: Key) -> tuple[str, str]:
    return key.namespace, names.label_value(key.name)


def _resource(kind: Kind) -> tuple[str, str, str]:
    group, _, version = kind.api_version.rpartition("/")
    return group, version, kind.plural


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

    def compare(self, kind: str) -> list[Object]:
        """What was in the mirror and is gone. Raises: the cluster's errors."""
        return compare(self.mirror, self.cluster, KINDS[kind])

    async def tell(self, ended: Sequence[Object]) -> None:
        """Wake whom it concerns."""
        for obj in ended:
            await self.told[KINDS[obj["kind"]]]({"type": "DELETED"}, obj)


def concerns(kind: Kind, event: str | None, *, news: bool) -> bool:
    """Whether anyone must look. Who wrote an object knows what its answer told; a class is for all models."""
    return news or event in (None, "DELETED") or kind in CLUSTER_KINDS


@dataclass
class Gate:
    """Open once every object that there is was seen: kopf calls no handler of events before that."""

    is_open: bool = False


def watch(registry: kopf.OperatorRegistry, told: Mapping[Kind, Listener], mirror: Mirror) -> None:
    """Register what is watched. No turn begins with half a mirror."""
    gate = Gate()
    for kind, tell in told.items():
        _follow(registry, kind, mirror, tell, gate)


def _follow(registry: kopf.OperatorRegistry, kind: Kind, mirror: Mirror, tell: Listener, gate: Gate) -> None:
    # An index is there for what is listed first; later on it would be the half of what an event costs.
    @kopf.index(
        *_resource(kind), registry=registry, id=f"mirror_{kind.plural}", when=lambda **_: not gate.is_open
    )
    async def reflect(body: Any, memo: kopf.Memo, **_: Any) -> None:
        memo.news = mirror.put(dict(body))

    @kopf.on.event(*_resource(kind), registry=registry, id=f"on_{kind.plural}")
    async def on_event(event: Any, body: Any, memo: kopf.Memo, **_: Any) -> None:
        gate.is_open = True
        obj, was_news = dict(body), memo.pop("news", False)
        if event["type"] == "DELETED":
            mirror.drop(obj)
        elif mirror.put(obj):
            was_news = True
        if concerns(kind, event["type"], news=was_news):
            await tell(dict(event), obj)


class _Nothing(kopf.DiffBaseStorage):
    """What kopf would remember of an object in order to tell changes of it: nothing."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return


def settings(*, everywhere: bool) -> kopf.OperatorSettings:
    """kopf as a watcher only: it posts nothing, stores nothing, sees our own Jobs, pods and so on."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
    found.peering.standalone = True
    # What is in kopf's own queues at the end is not lost: the next process lists everything.
    found.queueing.exit_timeout = 0.2
    watches.bound(found)
    # Without handlers of changes nothing is compared; kopf would copy every object twice an event for it.
    found.persistence.diffbase_storage = _Nothing()
    # In given namespaces neither CRDs nor namespaces need be watched, nor may they.
    found.scanning.disabled = not everywhere
    for kind, labels in _OWN_KINDS.items():
        found.watching.label_selectors[_resource(kind)] = labels
    return found
