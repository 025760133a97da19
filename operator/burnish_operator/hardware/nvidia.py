"""NVIDIA GPUs, from the labels of GPU Feature Discovery (GFD). Values are compared exactly, never in part.

Whole GPUs are `nvidia.com/gpu`; with MIG strategy `single` that name stands for the instances, and the
product says so. With `mixed` every profile has labels of its own beside those of the parent GPU.

Source: NVIDIA k8s-device-plugin, docs/gpu-feature-discovery and the labellers in internal/lm.
"""

import re
from collections.abc import Mapping

from burnish_operator.api import parse_quantity
from burnish_operator.hardware import fallback
from burnish_operator.hardware.kinds import Hardware, Reading, chosen, slug
from burnish_operator.hardware.wellknown import ARCH
from burnish_operator.observe import Node

GPU = "nvidia.com/gpu"
PRODUCT = f"{GPU}.product"
COUNT = f"{GPU}.count"
MIG_PREFIX = "nvidia.com/mig-"
COMPUTE_MAJOR, COMPUTE_MINOR = f"{GPU}.compute.major", f"{GPU}.compute.minor"
DRIVER = "nvidia.com/cuda.driver-version.major"
# The older name of the same; releases that write the new one write both.
OLD_DRIVER = "nvidia.com/cuda.driver.major"
_MIG_PRODUCT = re.compile(r"(nvidia\.com/mig-(?:\d+c\.)?\d+g\.\d+gb(?:\.[a-z.]+)?)\.product")
_MIG_OF_PRODUCT = re.compile(r".*-MIG-((?:\d+c\.)?\d+g\.\d+gb(?:\.[a-z.]+)?)(?:-SHARED)?")


def read(node: Node) -> Reading:
    """Whole GPUs and MIG instances of a node."""
    labels = node.labels
    bases = [match[1] for label in sorted(labels) if (match := _MIG_PRODUCT.fullmatch(label))]
    kinds = tuple(_kind(node, base) for base in bases if _offers(labels, base))
    if PRODUCT not in labels:
        return Reading(kinds) if kinds else fallback.read(node, _own(node))
    if not _offers(labels, GPU):
        return Reading(kinds) if kinds else Reading(unclear=(f"{_told(labels)}: none of it can be had.",))
    surplus = _surplus(node)
    return Reading(kinds, (surplus,)) if surplus else Reading((*kinds, _kind(node, GPU)))


def consulted(labels: Mapping[str, str], base: str) -> tuple[str, ...]:
    """Labels that make the kind, those that are absent included.

    The family is left out (releases of GFD named it differently), and so is the machine: neither
    changes what a GPU computes.
    """
    replicas, sharing = f"{base}.replicas", f"{base}.sharing-strategy"
    shared = (sharing,) if _number(labels, replicas) > 1 else ()
    driver = (DRIVER,) if DRIVER in labels else (DRIVER, OLD_DRIVER)
    return (
        ARCH, f"{base}.product", f"{base}.memory", replicas, *shared, COMPUTE_MAJOR, COMPUTE_MINOR, *driver
    )  # fmt: skip


def base_of(match_labels: Mapping[str, str]) -> str | None:
    """`nvidia.com/gpu` or `nvidia.com/mig-…`: what the labels of a class are about."""
    found = [match[1] for label in match_labels if (match := _MIG_PRODUCT.fullmatch(label))]
    return found[0] if found else GPU if PRODUCT in match_labels else None


def is_read(label: str) -> bool:
    """True for labels that reading depends on."""
    return label.startswith((f"{GPU}.", MIG_PREFIX)) or label in (DRIVER, OLD_DRIVER)


def driver_version(labels: Mapping[str, str]) -> str:
    """The whole version, such as 570.86.15."""
    old = [labels.get(f"nvidia.com/cuda.driver.{part}", "") for part in ("major", "minor", "rev")]
    return labels.get("nvidia.com/cuda.driver-version.full") or ".".join(part for part in old if part)


def _kind(node: Node, base: str) -> Hardware:
    labels = node.labels
    match = chosen(labels, consulted(labels, base))
    product = labels[f"{base}.product"]
    facts = {"kind": "gpu", "arch": labels.get(ARCH, "unknown"), "product": product}
    names = {
        f"{base}.memory": "memory_mib",
        COMPUTE_MAJOR: "compute_major",
        COMPUTE_MINOR: "compute_minor",
        OLD_DRIVER: "driver_major",
        DRIVER: "driver_major",
        f"{base}.sharing-strategy": "sharing",
    }
    facts |= {name: match[label] for label, name in names.items() if label in match}
    facts |= {"replicas": match[f"{base}.replicas"]} if _number(match, f"{base}.replicas") > 1 else {}
    profile = _MIG_OF_PRODUCT.fullmatch(product)
    facts |= {"mig_profile": base.removeprefix(MIG_PREFIX)} if base != GPU else {}
    facts |= {"mig_profile": profile[1]} if profile and base == GPU else {}
    return Hardware(slug(product), match, facts, _resource(node, base))


def _resource(node: Node, base: str) -> str:
    # Shared GPUs keep their name and get -SHARED in the product, or (renameByDefault) the other way round.
    shared = _number(node.labels, f"{base}.replicas") > 1
    renamed = f"{base}.shared"
    return renamed if shared and renamed in node.allocatable else base


def _offers(labels: Mapping[str, str], base: str) -> bool:
    # GFD counts GPUs that are cut into instances as well; `replicas` is then 0.
    return "0" not in (labels.get(f"{base}.count"), labels.get(f"{base}.replicas"))


def _surplus(node: Node) -> str | None:
    """Why the labels do not tell of all GPUs here: of several kinds of cards, GFD describes one."""
    resource = _resource(node, GPU)
    known = _number(node.labels, COUNT) * max(1, _number(node.labels, f"{GPU}.replicas"))
    there = parse_quantity(node.allocatable.get(resource, "0"))
    if not known or there <= known:
        return None
    return (
        f"{_told(node.labels)}: {resource} counts {there:f}, but the labels tell of {known}; "
        "there are cards of another kind beside it, or they are shared without a label."
    )


def _own(node: Node) -> tuple[str, ...]:
    return tuple(n for n in sorted(node.allocatable) if n == GPU or n.startswith((f"{GPU}.", MIG_PREFIX)))


def _told(labels: Mapping[str, str]) -> str:
    return f"{PRODUCT}={labels[PRODUCT]}"


def _number(labels: Mapping[str, str], label: str) -> int:
    text = labels.get(label, "")
    return int(text) if text.isascii() and text.isdigit() else 0
