"""Accelerators without a label that names them: the instance type stands in, else they stay unclear."""

from collections.abc import Sequence

from burnish_operator.api import parse_quantity
from burnish_operator.hardware.kinds import Certainty, Hardware, Reading, chosen, slug
from burnish_operator.hardware.wellknown import ARCH, INSTANCE_TYPE
from burnish_operator.observe import Node

UNKNOWN = "unknown"


def read(node: Node, resources: Sequence[str]) -> Reading:
    """One guessed kind a resource where the instance type is known: all its machines are alike."""
    offered = [name for name in resources if parse_quantity(node.allocatable[name]) > 0]
    # The kubelet goes on to name a resource whose plugin is gone, with 0.
    gone = tuple(f"{name} is 0: its device plugin is away." for name in resources if name not in offered)
    if INSTANCE_TYPE not in node.labels:
        return Reading(unclear=(*map(_unclear, offered), *(gone if not offered else ())))
    return Reading(tuple(_guess(node, name) for name in offered), gone if not offered else ())


def _guess(node: Node, resource: str) -> Hardware:
    labels = node.labels
    facts = {
        "kind": "gpu",
        "arch": labels.get(ARCH, UNKNOWN),
        "product": UNKNOWN,
        "resource": resource,
        "instance_type": labels[INSTANCE_TYPE],
    }
    stem = slug(f"unknown-{resource}-{labels[INSTANCE_TYPE]}")
    return Hardware(stem, chosen(labels, (ARCH, INSTANCE_TYPE)), facts, resource, Certainty.GUESSED)


def _unclear(resource: str) -> str:
    return (
        f"{resource} is there, but no label says which product it is, nor the instance type: run the "
        "vendor's feature discovery, or make an AcceleratorClass for a label of these nodes."
    )
