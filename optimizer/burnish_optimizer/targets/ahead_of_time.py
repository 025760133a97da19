"""Devices that TensorRT for RTX builds plans for without having one. Pure.

Source: TensorRT for RTX 1.7, `nvinfer1::ComputeCapability`. There is none for data-centre devices of 9.0 and
10.0 (Hopper, Blackwell): these want TensorRT itself, which builds on the device.
"""

import re
from collections.abc import Mapping

Capability = tuple[int, int]
CAPABILITIES: tuple[Capability, ...] = ((7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1))


def capabilities(facts: Mapping[str, str]) -> tuple[Capability, ...]:
    """CUDA compute capabilities of a target's devices, each once; () where one of them does not tell.

    From a fingerprint's `gpu_capability` (`8.9`, several kinds with `; ` between them), or an accelerator
    class's `compute_major` and `compute_minor`.
    """
    told = facts.get("gpu_capability") or f"{facts.get('compute_major')}.{facts.get('compute_minor')}"
    found = [re.fullmatch(r"(\d+)\.(\d+)", part.strip()) for part in told.split(";")]
    known = [(int(match[1]), int(match[2])) for match in found if match]
    return tuple(dict.fromkeys(known)) if len(known) == len(found) else ()


def builds_for(facts: Mapping[str, str]) -> bool:
    """Whether there are devices, and plans can be built for each of them."""
    found = capabilities(facts)
    return bool(found) and all(each in CAPABILITIES for each in found)


def shown(found: tuple[Capability, ...]) -> str:
    """`8.9`, or `8.6 and 8.9`."""
    return " and ".join(f"{major}.{minor}" for major, minor in found)
