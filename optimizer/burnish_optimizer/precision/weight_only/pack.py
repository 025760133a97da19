"""How ONNX Runtime's MatMulNBits keeps its weights. Pure.

B: uint8 [N, blocks, block·bits/8], the lower half of a byte first.   zeros: uint8 [N, ⌈blocks·bits/8⌉].
Source: ONNX Runtime, ContribOperators.md, com.microsoft.MatMulNBits.
"""

import numpy as np

from burnish_optimizer.precision.weight_only.grid import Bytes, Grid

DOMAIN, VERSION, OP = "com.microsoft", 1, "MatMulNBits"


def packed_values(values: Bytes, grid: Grid) -> Bytes:
    """Codes [N, K] as B."""
    return _halves(grid.split(values), grid.bits)


def packed_zeros(zeros: Bytes, grid: Grid) -> Bytes:
    """Zeros [N, blocks] as the kernel takes them."""
    odd = grid.bits == 4 and zeros.shape[1] % 2
    return _halves(np.pad(zeros, ((0, 0), (0, 1))) if odd else zeros, grid.bits)


def _halves(codes: Bytes, bits: int) -> Bytes:
    if bits == 8:
        return np.ascontiguousarray(codes)
    joined: Bytes = codes[..., ::2] | (codes[..., 1::2] << np.uint8(4))
    return joined
