"""AMD GPUs, from the labels of the ROCm node labeller.

Where all GPUs of a node are alike, `amd.com/gpu.device-id` holds the id; else that label is missing and
`amd.com/gpu.device-id.<id>` counts each.

Source: ROCm k8s-device-plugin, cmd/k8s-node-labeller.
"""

from collections.abc import Mapping

from burnish_operator.hardware import fallback
from burnish_operator.hardware.kinds import Hardware, Reading, chosen, slug
from burnish_operator.hardware.wellknown import ARCH
from burnish_operator.observe import Node

GPU = "amd.com/gpu"
PRODUCT = f"{GPU}.product-name"
DEVICE = f"{GPU}.device-id"
PARTITION = f"{GPU}.compute-memory-partition"
FACTS = {
    PRODUCT: "product",
    DEVICE: "device_id",
    f"{GPU}.vram": "vram",
    f"{GPU}.cu-count": "compute_units",
    PARTITION: "partition",
}
CONSULTED = (ARCH, *FACTS)


def read(node: Node) -> Reading:
    """The GPUs of a node: of one kind, or unclear."""
    labels = node.labels
    counted = sorted(label for label in labels if label.startswith((f"{DEVICE}.", f"{PRODUCT}.")))
    if counted and DEVICE not in labels:
        return Reading(unclear=(f"GPUs of several kinds: {', '.join(counted)}.",))
    if not names_gpu(labels):
        return fallback.read(node, [name for name in sorted(node.allocatable) if name.startswith("amd.com/")])
    match = chosen(labels, CONSULTED)
    facts = {"kind": "gpu", "arch": labels.get(ARCH, fallback.UNKNOWN)}
    facts |= {"product": f"amd-gpu-{labels.get(DEVICE, '')}"}
    facts |= {name: match[label] for label, name in FACTS.items() if label in match}
    return Reading((Hardware(slug(facts["product"]), match, facts, _resource(node)),))


def names_gpu(labels: Mapping[str, str]) -> bool:
    """Whether the labels say which GPU it is."""
    return DEVICE in labels or PRODUCT in labels


def is_read(label: str) -> bool:
    """True for labels that reading depends on."""
    return label.startswith(f"{GPU}.")


def _resource(node: Node) -> str:
    # With the naming strategy `mixed`, partitions are a resource of their own: amd.com/cpx_nps4.
    partition = f"amd.com/{node.labels.get(PARTITION, '')}"
    return partition if partition in node.allocatable else GPU
