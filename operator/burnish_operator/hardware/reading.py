"""From a node to its hardware, and from a class to the labels that its nodes must not have."""

import re
from collections.abc import Mapping

from burnish_operator.hardware import amd, cpu, intel, nvidia
from burnish_operator.hardware.kinds import Hardware, Reading, joined
from burnish_operator.observe import Node

# pci-[<class>_]<vendor>[_<device>…].present. 10de is NVIDIA.
_NVIDIA_CARD = re.compile(
    r"feature\.node\.kubernetes\.io/pci-(?:03[0-9a-f]{2}_)?10de(?:_[0-9a-f_]+)?\.present"
)


def read(node: Node) -> Reading:
    """All kinds of hardware that a node offers. A node with accelerators is no processor's class."""
    found = joined([nvidia.read(node), amd.read(node), intel.read(node)])
    return found or Reading((cpu.kind(node.labels),))


def hardware_of(node: Node) -> tuple[Hardware, ...]:
    """The kinds of hardware that a node offers: several where a GPU is cut into MIG profiles."""
    return read(node).kinds


def has_silent_card(node: Node) -> bool:
    """True where the PCI bus shows an NVIDIA card of which no driver has told anything (yet)."""
    return any(_NVIDIA_CARD.fullmatch(label) for label in node.labels)


def driver_version(labels: Mapping[str, str]) -> str:
    """The accelerator's driver, such as 570.86.15; empty where no label tells."""
    return nvidia.driver_version(labels) or labels.get("amd.com/gpu.driver-version", "")


def is_hardware(label: str) -> bool:
    """True for labels that a class may hang on; all others may flap."""
    return (
        label in cpu.CONSULTED
        or nvidia.is_read(label)
        or amd.is_read(label)
        or intel.is_read(label)
        or _NVIDIA_CARD.fullmatch(label) is not None
    )


def absent_labels(match_labels: Mapping[str, str], resource_name: str | None) -> tuple[str, ...]:
    """Labels that a node of this discovered class must not have: else it would be another class."""
    return tuple(label for label in _consulted(match_labels, resource_name) if label not in match_labels)


def _consulted(match_labels: Mapping[str, str], resource_name: str | None) -> tuple[str, ...]:
    base = nvidia.base_of(match_labels)
    if base is not None:
        return nvidia.consulted(match_labels, base)
    if amd.names_gpu(match_labels):
        return amd.CONSULTED
    if intel.names_gpu(match_labels):
        return (intel.PRODUCT,)
    named = (nvidia.PRODUCT, amd.DEVICE, amd.PRODUCT)
    return (*named, intel.PRODUCT) if resource_name else (*named, *cpu.CONSULTED)
