"""What the cluster has of each AcceleratorClass now."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from burnish_operator.api import AcceleratorClass, AcceleratorClassStatus, ConditionStatus, parse_quantity
from burnish_operator.decide.classes import matches, takes_pods, tolerated, tolerations_of
from burnish_operator.decide.conditions import Verdict, conditions
from burnish_operator.hardware import driver_version
from burnish_operator.observe import Node
from burnish_operator.ports import Object

MAX_DRIVERS = 16


def statuses(nodes: Sequence[Node], classes: Sequence[AcceleratorClass], now: datetime) -> tuple[Object, ...]:
    """Statuses to write: those that are not written yet."""
    found = (_status(accelerator, nodes, now) for accelerator in classes)
    return tuple(status for status in found if status is not None)


def _status(accelerator: AcceleratorClass, nodes: Sequence[Node], now: datetime) -> Object | None:
    own = [node for node in nodes if matches(accelerator, node)]
    usable = [node for node in own if takes_pods(node, tolerations_of(accelerator))]
    generation = accelerator.metadata.generation
    verdict = _verdict(accelerator, own, len(usable))
    status = AcceleratorClassStatus(
        observed_generation=generation,
        nodes=len(usable),
        allocatable=_allocatable(accelerator, usable),
        driver_versions=_drivers(accelerator, own),
        conditions=conditions([verdict], accelerator.status.conditions, generation, now),
    )
    if status == accelerator.status:
        return None
    return {
        "apiVersion": "burnish.dev/v1alpha1",
        "kind": "AcceleratorClass",
        "metadata": {"name": accelerator.name},
        "status": status.to_dict(),
    }


def _allocatable(accelerator: AcceleratorClass, nodes: Sequence[Node]) -> str:
    resource = accelerator.spec.resource_name or "cpu"
    total = sum((parse_quantity(node.allocatable.get(resource, "0")) for node in nodes), Decimal(0))
    return f"{total.normalize():f}"


def _drivers(accelerator: AcceleratorClass, nodes: Sequence[Node]) -> tuple[str, ...]:
    if not accelerator.spec.resource_name:
        return ()
    return tuple(sorted({v for node in nodes if (v := driver_version(node.labels))}))[:MAX_DRIVERS]


def _verdict(accelerator: AcceleratorClass, own: Sequence[Node], usable: int) -> Verdict:
    if usable:
        return Verdict("Ready", ConditionStatus.TRUE, "NodesReady", f"{usable} ready node(s).")
    if accelerator.spec.scales_from_zero:
        message = "No node now; pods are made all the same, for the autoscaler to bring one."
        return Verdict("Ready", ConditionStatus.TRUE, "ScaledToZero", message)
    if not own:
        message = "No node carries these labels: nothing is built for this class for now."
    else:
        message = f"No node of this class takes pods ({_why(accelerator, own)}): nothing is built for it now."
    return Verdict("Ready", ConditionStatus.FALSE, "NoMatchingNodes", message)


def _why(accelerator: AcceleratorClass, nodes: Sequence[Node]) -> str:
    tolerations = tolerations_of(accelerator)
    taints = {t.key for node in nodes for t in node.taints if not tolerated(t, tolerations)}
    counts = {
        "not ready": sum(not node.ready for node in nodes),
        "cordoned": sum(node.cordoned for node in nodes),
        "of the control plane": sum(node.control_plane for node in nodes),
        f"tainted {', '.join(sorted(taints))}": sum(
            any(taint.key in taints for taint in node.taints) for node in nodes
        ),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
