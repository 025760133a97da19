"""Events of the cluster wake keys; nothing is decided here.

kopf only watches: `on.event` handlers keep neither annotations nor finalizers in anyone's objects.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import kopf

from burnish_engine.digest import of_json
from burnish_operator import names, watches
from burnish_operator.hardware import is_hardware

OURS = f"app.kubernetes.io/managed-by={names.MANAGER}"
_OWN_KINDS = (
    ("batch", "v1", "jobs"),
    ("apps", "v1", "deployments"),
    ("", "v1", "services"),
    ("", "v1", "pods"),
)

_CLUSTER_KINDS = ("acceleratorclasses", "nodes")


@dataclass(frozen=True)
class Key:
    """What a reconcile is about: one model, or (without a name) the inventory of hardware."""

    namespace: str = ""
    name: str = ""


INVENTORY = Key()
Wake = Callable[[Key], Awaitable[None]]


@dataclass
class Waker:
    """Who must be woken by what. Knows names and nothing else, all of it rebuilt from the first listing."""

    wake: Wake
    _models: dict[Key, frozenset[str]] = field(default_factory=dict)
    _nodes: dict[str, str] = field(default_factory=dict)

    async def model(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        """An OptimizedModel changed."""
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        if event.get("type") == "DELETED":
            self._models.pop(key, None)
        else:
            targets = body.get("spec", {}).get("targets") or []
            self._models[key] = frozenset(label for t in targets for label in t.get("nodeSelector") or {})
        await self.wake(key)

    async def owned(self, body: dict[str, Any]) -> None:
        """An object with our labels changed: its model looks."""
        metadata = body["metadata"]
        model = metadata.get("labels", {}).get(names.MODEL, "")
        for key in list(self._models):
            if key.namespace == metadata["namespace"] and names.label_value(key.name) == model:
                await self.wake(key)

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


def watched(*, cluster_scoped: bool) -> tuple[str, ...]:
    """Plurals of all that `watch` registers."""
    own = tuple(plural for _, _, plural in _OWN_KINDS)
    return ("optimizedmodels", *own, *(_CLUSTER_KINDS if cluster_scoped else ()))


def watch(registry: kopf.OperatorRegistry, waker: Waker, *, cluster_scoped: bool) -> None:
    """Register what is watched. Without cluster rights, nodes and classes are left alone."""

    @kopf.on.event("burnish.dev", "v1alpha1", "optimizedmodels", registry=registry)
    async def on_model(event: Any, body: Any, **_: Any) -> None:
        await waker.model(dict(event), dict(body))

    for group, version, plural in _OWN_KINDS:

        @kopf.on.event(group, version, plural, registry=registry, id=f"on_{plural}")
        async def on_owned(body: Any, **_: Any) -> None:
            await waker.owned(dict(body))

    if not cluster_scoped:
        return

    @kopf.on.event("burnish.dev", "v1alpha1", "acceleratorclasses", registry=registry)
    async def on_class(**_: Any) -> None:
        await waker.accelerator_class()

    @kopf.on.event("", "v1", "nodes", registry=registry)
    async def on_node(event: Any, body: Any, **_: Any) -> None:
        await waker.node(dict(event), dict(body))


def settings(*, everywhere: bool) -> kopf.OperatorSettings:
    """kopf as a watcher only: it posts nothing, stores nothing, sees our own Jobs, pods and so on."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
    found.peering.standalone = True
    # What is in kopf's own queues at the end is not lost: the next process lists everything.
    found.queueing.exit_timeout = 0.2
    watches.bound(found)
    # In given namespaces neither CRDs nor namespaces need be watched, nor may they.
    found.scanning.disabled = not everywhere
    for group, version, plural in _OWN_KINDS:
        found.watching.label_selectors[group, version, plural] = OURS
    return found
