"""Intel GPUs, from the labels of Intel's node-feature-discovery rules.

A processor's own graphics carry the same labels; they count only where a device plugin offers them.

Source: intel-device-plugins-for-kubernetes, deployments/nfd/overlays/node-feature-rules.
"""

import re
from collections.abc import Mapping

from burnish_operator.hardware import fallback
from burnish_operator.hardware.kinds import Hardware, Reading, chosen, slug
from burnish_operator.hardware.wellknown import ARCH
from burnish_operator.observe import Node

PREFIX = "gpu.intel.com/"
PRODUCT = f"{PREFIX}product"
RESOURCES = (f"{PREFIX}i915", f"{PREFIX}xe")
_DEVICE = re.compile(r"gpu\.intel\.com/device-id\.[0-9a-f]{4}-([0-9a-f]{4})\.present")


def read(node: Node) -> Reading:
    """The GPUs of a node: of one kind, or unclear."""
    resources = [name for name in RESOURCES if name in node.allocatable]
    if not resources:
        return Reading()
    devices = device_labels(node.labels)
    if len(devices) > 1 or len(resources) > 1:
        told = ", ".join((*devices, *resources))
        return Reading(unclear=(f"GPUs of several kinds, and pods cannot choose: {told}.",))
    if not devices and PRODUCT not in node.labels:
        return fallback.read(node, resources)
    return Reading((_kind(node, devices, resources[0]),))


def device_labels(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Labels that name a PCI device which is there."""
    return tuple(label for label in sorted(labels) if _DEVICE.fullmatch(label) and labels[label] == "true")


def names_gpu(labels: Mapping[str, str]) -> bool:
    """Whether the labels say which GPU it is."""
    return PRODUCT in labels or bool(device_labels(labels))


def is_read(label: str) -> bool:
    """True for labels that reading depends on."""
    return label == PRODUCT or _DEVICE.fullmatch(label) is not None


def _kind(node: Node, devices: tuple[str, ...], resource: str) -> Hardware:
    match = chosen(node.labels, (ARCH, PRODUCT, *devices))
    facts = {"kind": "gpu", "arch": node.labels.get(ARCH, fallback.UNKNOWN)}
    ids = [found[1] for label in devices if (found := _DEVICE.fullmatch(label))]
    facts |= {"device_id": ids[0]} if ids else {}
    facts |= {"product": match.get(PRODUCT) or f"gpu-{ids[0]}"}
    return Hardware(slug(f"intel-{facts['product']}"), match, facts, resource)
