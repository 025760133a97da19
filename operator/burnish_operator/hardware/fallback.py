"""Accelerators without a label that names them: the instance type stands in, else they stay unclear."""

from collections.abc import Sequence

from burnish_operator.hardware.kinds import Certainty, Hardware, Reading, chosen, slug
from burnish_operator.hardware.wellknown import ARCH, INSTANCE_TYPE
from burnish_operator.observe import Node

UNKNOWN = "unknown"


def read(node: Node, resources: Sequence[str]) -> Reading:
    """One guessed kind a resource where the instance type is known: all its machines are alike."""
    if not resources:
        return Reading()
    if INSTANCE_TYPE not in node.labels:
        return Reading(unclear=tuple(_unclear(resource) for resource in resources))
    return Reading(tuple(_guess(node, resource) for resource in resources))


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
