"""Which kinds of hardware the cluster has: nodes in, AcceleratorClasses out."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from burnish_operator.api import AcceleratorClass, Toleration
from burnish_operator.decide.settling import Sighting, Sightings, sightings
from burnish_operator.hardware import Certainty, Hardware, Identity, Reading, hardware_of, identity, read
from burnish_operator.hardware.nvidia import GPU
from burnish_operator.names import MANAGER
from burnish_operator.observe import Node, Taint
from burnish_operator.ports import Object

MANAGED_BY = "app.kubernetes.io/managed-by"
MAX_NAME = 63
_NOTHING: Sightings = MappingProxyType({})


@dataclass(frozen=True)
class Inventory:
    """What the nodes are.

    created: classes to make. seen: to be given to the next turn.
    unclear: why (a part of) a node belongs to no class, by name of the node.
    look_again_seconds: when a node may be believed that is not yet.
    """

    created: tuple[Object, ...]
    seen: Mapping[str, Sighting]
    unclear: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    look_again_seconds: float | None = None


def take_stock(
    nodes: Sequence[Node], classes: Sequence[AcceleratorClass], now: datetime, seen: Sightings = _NOTHING
) -> Inventory:
    """Classes for hardware that has none yet.

    A class is never deleted or rewritten: people put prices and overrides on it, and nodes come back.
    """
    readings = {node.name: read(node) for node in nodes}
    fresh = sightings(nodes, readings, seen, now)
    usable = [node for node in nodes if node.ready and not node.control_plane]
    settled = [node for node in usable if fresh[node.name].believed_from <= now]
    waits = [fresh[node.name].believed_from - now for node in usable if node not in settled]
    return Inventory(
        created=tuple(_missing(settled, readings, classes)),
        seen=fresh,
        unclear={node.name: why for node in settled if (why := _unclear(node, readings, classes))},
        look_again_seconds=min(wait.total_seconds() for wait in waits) if waits else None,
    )


def _missing(
    nodes: Iterable[Node], readings: Mapping[str, Reading], classes: Sequence[AcceleratorClass]
) -> list[Object]:
    taken = {c.name for c in classes}
    wanted = {k.identity: k for node in nodes for k in readings[node.name].kinds if _wanted(node, k, classes)}
    created = []
    for key in sorted(set(wanted) - {_identity(c) for c in classes}):
        name = _free_name(wanted[key], taken)
        taken.add(name)
        created.append(_class_object(name, wanted[key]))
    return created


def _wanted(node: Node, kind: Hardware, classes: Sequence[AcceleratorClass]) -> bool:
    """False for a guess where people said what it is, with a class of their own."""
    if not kind.match_labels:
        return False
    return kind.certainty is not Certainty.GUESSED or not any(
        _is_told(node, c) and c.spec.resource_name == kind.resource_name for c in classes
    )


def _unclear(
    node: Node, readings: Mapping[str, Reading], classes: Sequence[AcceleratorClass]
) -> tuple[str, ...]:
    return () if any(_is_told(node, c) for c in classes) else readings[node.name].unclear


def _is_told(node: Node, accelerator: AcceleratorClass) -> bool:
    """Whether people made a class that this node is of."""
    return not is_discovered(accelerator) and _carries(node, accelerator)


def _identity(accelerator: AcceleratorClass) -> Identity:
    return identity(accelerator.spec.match.match_labels, accelerator.spec.resource_name)


def _free_name(kind: Hardware, taken: set[str]) -> str:
    digest = hashlib.sha256(repr(kind.identity).encode()).hexdigest()
    names = [kind.stem, *(f"{kind.stem[: MAX_NAME - n - 1].rstrip('-')}-{digest[:n]}" for n in (6, 12, 24))]
    return next((name for name in names if name not in taken), digest[:MAX_NAME])


def _class_object(name: str, kind: Hardware) -> Object:
    spec: Object = {"match": {"matchLabels": dict(kind.match_labels)}, "facts": dict(kind.facts)}
    if kind.resource_name:
        spec["resourceName"] = kind.resource_name
    metadata = {"name": name, "labels": {MANAGED_BY: MANAGER, "app.kubernetes.io/part-of": MANAGER}}
    return {
        "apiVersion": "burnish.dev/v1alpha1",
        "kind": "AcceleratorClass",
        "metadata": metadata,
        "spec": spec,
    }


def is_discovered(accelerator: AcceleratorClass) -> bool:
    """True for classes that Burnish made: their labels are the whole identity, so others must be absent."""
    return accelerator.metadata.labels.get(MANAGED_BY) == MANAGER


def matches(accelerator: AcceleratorClass, node: Node) -> bool:
    """Whether a node is of this class: by every label exactly, and by nothing more where Burnish made it."""
    if not _carries(node, accelerator):
        return False
    return not is_discovered(accelerator) or _identity(accelerator) in {
        kind.identity for kind in hardware_of(node)
    }


def _carries(node: Node, accelerator: AcceleratorClass) -> bool:
    wanted = accelerator.spec.match.match_labels
    return all(node.labels.get(label) == value for label, value in wanted.items())


def tolerations_of(accelerator: AcceleratorClass) -> tuple[Toleration, ...]:
    """Those of the class and, for accelerators, the taint that vendors put on their nodes."""
    own = accelerator.spec.defaults.tolerations
    name = accelerator.spec.resource_name
    keys = sorted({name, GPU} if name.startswith("nvidia.com/") else {name}) if name else []
    return (*own, *(Toleration.model_validate({"key": key, "operator": "Exists"}) for key in keys))


def tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    """As the scheduler judges it."""
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect not in (None, taint.effect) or toleration.key not in (None, taint.key):
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == taint.value


def takes_pods(node: Node, tolerations: Sequence[Toleration]) -> bool:
    """Whether a new pod with these tolerations could be put on this node."""
    free = node.ready and not node.cordoned and not node.control_plane
    return free and all(tolerated(taint, tolerations) for taint in node.taints)
