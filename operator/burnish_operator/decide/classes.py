"""Which kinds of hardware the cluster has: nodes in, AcceleratorClasses out."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from burnish_operator import hardware as hw
from burnish_operator.api import (
    AcceleratorClass,
    AcceleratorClassStatus,
    Condition,
    ConditionStatus,
    Toleration,
    parse_quantity,
)
from burnish_operator.decide.conditions import Verdict, conditions
from burnish_operator.names import MANAGER
from burnish_operator.observe import Node, Taint
from burnish_operator.ports import Object

MANAGED_BY = "app.kubernetes.io/managed-by"
MAX_NAME = 63
# A new node gets its feature labels some seconds after it is Ready; until then it looks unknown.
LABEL_GRACE = timedelta(seconds=60)


@dataclass(frozen=True)
class Hardware:
    """One kind of hardware: the labels that tell it, what they mean, and a readable name for it."""

    stem: str
    match_labels: Mapping[str, str]
    facts: Mapping[str, str]
    resource_name: str | None = None

    @property
    def identity(self) -> tuple[tuple[str, str], ...]:
        """What makes it this kind and no other."""
        return tuple(sorted(self.match_labels.items()))


@dataclass(frozen=True)
class Inventory:
    """Classes to create, statuses to write, and when to look again because a node is too new to judge."""

    created: tuple[Object, ...]
    statuses: tuple[Object, ...]
    look_again_seconds: float | None


def hardware_of(node: Node) -> tuple[Hardware, ...]:
    """The kinds of hardware that a node offers: several where a GPU is cut into MIG profiles."""
    labels = node.labels
    kinds = [_mig(labels, label) for label in sorted(labels) if _is_mig_product(label)]
    if hw.GPU_PRODUCT in labels and labels.get(hw.GPU_COUNT, "1") != "0":
        kinds.append(_gpu(labels))
    return tuple(kinds) if kinds or hw.GPU_PRODUCT in labels else (_cpu(labels),)


def _is_mig_product(label: str) -> bool:
    return label.startswith(hw.MIG_PREFIX) and label.endswith(".product")


def _mig(labels: Mapping[str, str], product_label: str) -> Hardware:
    profile = product_label.removesuffix(".product")
    match = {hw.ARCH: labels.get(hw.ARCH, ""), product_label: labels[product_label]}
    driver = "nvidia.com/cuda.driver-version.major"
    match |= {driver: labels[driver]} if driver in labels else {}
    facts = {
        "kind": "gpu",
        "arch": labels.get(hw.ARCH, "unknown"),
        "product": labels[product_label],
        "mig_profile": profile.removeprefix(hw.MIG_PREFIX),
    }
    facts |= {"memory_mib": labels[f"{profile}.memory"]} if f"{profile}.memory" in labels else {}
    facts |= {"driver_major": labels[driver]} if driver in labels else {}
    return Hardware(_slug(labels[product_label]), match, facts, profile)


def _gpu(labels: Mapping[str, str]) -> Hardware:
    match = {label: labels[label] for label in hw.GPU_IDENTITY if label in labels}
    facts = {"kind": "gpu"} | {hw.GPU_FACTS[label]: value for label, value in match.items()}
    return Hardware(_slug(labels[hw.GPU_PRODUCT]), match, facts, hw.GPU)


def _cpu(labels: Mapping[str, str]) -> Hardware:
    match = {label: labels[label] for label in hw.CPU_IDENTITY if label in labels}
    facts = {"kind": "cpu"} | {hw.CPU_FACTS[label]: v for label, v in match.items() if label in hw.CPU_FACTS}
    features = sorted(name for label, name in hw.FEATURE_LABELS.items() if labels.get(label) == "true")
    facts |= {"features": ",".join(features)} if features else {}
    arch = labels.get(hw.ARCH, "machine")
    known = (labels.get(hw.CPU_VENDOR), labels.get(hw.CPU_FAMILY), labels.get(hw.CPU_MODEL))
    parts = ["cpu", *(part for part in known if part)] if known[0] else ["unknown", arch]
    return Hardware(_slug("-".join((*parts, labels.get(hw.INSTANCE_TYPE, "")))), match, facts)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_NAME].rstrip("-") or "unknown"


def is_known(node: Node, now: datetime) -> bool:
    """False while a node is so new that its feature labels may still be on their way."""
    labels = node.labels
    if hw.CPU_VENDOR in labels or hw.GPU_PRODUCT in labels or not node.created:
        return True
    return now - datetime.fromisoformat(node.created).astimezone(UTC) >= LABEL_GRACE


def take_stock(nodes: Sequence[Node], classes: Sequence[AcceleratorClass], now: datetime) -> Inventory:
    """Classes for hardware that has none yet, and what every class has now.

    A class is never deleted: people put prices on it, and nodes come back.
    """
    usable = [node for node in nodes if node.ready and not node.control_plane]
    young = [node for node in usable if not is_known(node, now)]
    created = _missing([node for node in usable if node not in young], classes)
    statuses = [_status_object(c, nodes, now) for c in classes]
    return Inventory(
        tuple(created), tuple(s for s in statuses if s), LABEL_GRACE.total_seconds() if young else None
    )


def _missing(nodes: Iterable[Node], classes: Sequence[AcceleratorClass]) -> list[Object]:
    known = {tuple(sorted(c.spec.match.match_labels.items())) for c in classes}
    taken = {c.name for c in classes}
    kinds = {kind.identity: kind for node in nodes for kind in hardware_of(node) if kind.match_labels}
    created = []
    for identity in sorted(set(kinds) - known):
        name = _free_name(kinds[identity], taken)
        taken.add(name)
        created.append(_class_object(name, kinds[identity]))
    return created


def _free_name(kind: Hardware, taken: set[str]) -> str:
    if kind.stem not in taken:
        return kind.stem
    suffix = hashlib.sha256(repr(kind.identity).encode()).hexdigest()[:6]
    return f"{kind.stem[: MAX_NAME - 7].rstrip('-')}-{suffix}"


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
    """Whether a node is of this class: every label exactly."""
    wanted = accelerator.spec.match.match_labels
    if any(node.labels.get(label) != value for label, value in wanted.items()):
        return False
    return not is_discovered(accelerator) or not any(
        label in node.labels for label in hw.absent_labels(wanted)
    )


def tolerations_of(accelerator: AcceleratorClass) -> tuple[Toleration, ...]:
    """Those of the class and, for accelerators, the taint that vendors put on their nodes."""
    own = accelerator.spec.defaults.tolerations
    name = accelerator.spec.resource_name
    keys = sorted({name, hw.GPU} if name.startswith("nvidia.com/") else {name}) if name else []
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


def _status_object(accelerator: AcceleratorClass, nodes: Sequence[Node], now: datetime) -> Object | None:
    tolerations = tolerations_of(accelerator)
    found = [node for node in nodes if matches(accelerator, node) and takes_pods(node, tolerations)]
    resource = accelerator.spec.resource_name or "cpu"
    total = sum((parse_quantity(node.allocatable.get(resource, "0")) for node in found), Decimal(0))
    generation = accelerator.metadata.generation
    status = AcceleratorClassStatus(
        observed_generation=generation,
        nodes=len(found),
        allocatable=f"{total.normalize():f}",
        conditions=_ready(accelerator.status.conditions, len(found), generation, now),
    )
    if status == accelerator.status:
        return None
    return {
        "apiVersion": "burnish.dev/v1alpha1",
        "kind": "AcceleratorClass",
        "metadata": {"name": accelerator.name},
        "status": status.to_dict(),
    }


def _ready(old: Sequence[Condition], count: int, generation: int, now: datetime) -> tuple[Condition, ...]:
    verdict = (
        Verdict("Ready", ConditionStatus.TRUE, "NodesReady", f"{count} ready node(s).")
        if count
        else Verdict(
            "Ready",
            ConditionStatus.FALSE,
            "NoMatchingNodes",
            "No ready, schedulable node carries these labels: nothing is built for this class for now.",
        )
    )
    return conditions([verdict], old, generation, now)
