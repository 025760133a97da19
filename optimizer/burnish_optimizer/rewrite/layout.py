"""What a memory layout costs on a target: bytes that transposes move, as data.

Layouts are chosen by these figures, never because one is thought to be better. ONNX Runtime on a CPU blocks
the channels of NCHW convolutions itself when it loads a model (NCHWc: as many channels as a vector holds),
OpenVINO likewise. So on a CPU the best that a file can do is to keep convolutions in NCHW, and chains of them
free of transposes, which end a blocked chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from burnish_optimizer.rewrite.values import dtype, shape

# Stands for a dimension that is not known, in products that are compared with each other.
NOMINAL_DIMENSION = 32


@dataclass(frozen=True)
class LayoutFacts:
    """What layouts mean on a target.

    Args:
        convolutions: the layout that its convolutions take from a file.
        blocks_at_load: whether it lays channels out in blocks by itself.
        node_bytes: what starting one more operator costs, as the bytes that it could have moved meanwhile.
    """

    convolutions: str = "NCHW"
    blocks_at_load: bool = True
    node_bytes: int = 16 << 10


# ONNX Runtime 1.32 on one core of a Zen 5: a transpose of 512 bytes takes 4 µs, one of 800 kB that stays in
# the cache 40 µs (40 GB/s), one of 17 MB 17 to 42 ms (1 to 2 GB/s): a start costs as much as 16 KiB or more.
LAYOUTS: Mapping[str, LayoutFacts] = {
    "portable": LayoutFacts(blocks_at_load=False),
    "onnxruntime-cpu": LayoutFacts(),
    "onnxruntime-cuda": LayoutFacts(blocks_at_load=False),
    "openvino-cpu": LayoutFacts(),
}


def facts(target: str) -> LayoutFacts:
    """What is known of a target; the portable figures where nothing is."""
    return LAYOUTS.get(target, LAYOUTS["portable"])


def size_bytes(value: ir.Value) -> int:
    """Bytes of a tensor, with nominal sizes where dimensions are not known."""
    dims, kind = shape(value), dtype(value) or ir.DataType.FLOAT
    known = (NOMINAL_DIMENSION if size is None else size for size in dims or (None,) * 3)
    return int(prod(known) * (kind.bitwidth if kind != ir.DataType.STRING else 64) // 8)


def transpose_bytes(value: ir.Value, perm: tuple[int, ...], target: str) -> int:
    """Bytes that one transpose of `value` reads and writes, and its start."""
    start = facts(target).node_bytes
    return start if moves_nothing(shape(value), perm) else start + 2 * size_bytes(value)


def moves_nothing(dims: tuple[int | None, ...] | None, perm: tuple[int, ...]) -> bool:
    """Whether only axes of size 1 change places: the elements stay in order."""
    if dims is None or len(dims) != len(perm):
        return False
    wide = [axis for axis in perm if dims[axis] != 1]
    return wide == sorted(wide)
