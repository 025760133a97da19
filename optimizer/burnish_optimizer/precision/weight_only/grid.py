"""Which numbers a block of weights may take: scale · (code - zero), with one scale and zero a block. Pure.

Blocks lie along K, the axis that is summed over. Weights come as rows: [N, K], one row an output.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
LEAST_SCALE = np.float32(1e-37)


@dataclass(frozen=True)
class Grid:
    """bits: 4 or 8.   block: weights that share a scale.   symmetric: every zero is the middle code."""

    bits: int = 4
    block: int = 32
    symmetric: bool = False

    @property
    def top(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    @property
    def middle(self) -> int:
        """The code of 0 in a symmetric grid, and what kernels take where there are no zeros."""
        return 1 << (self.bits - 1)

    def blocks(self, depth: int) -> int:
        """How many blocks K weights make; the last one may be shorter."""
        return -(-depth // self.block)

    def split(self, rows: NDArray[Any]) -> NDArray[Any]:
        """[N, K] → [N, blocks, block], filled up with 0."""
        count, depth = rows.shape
        whole = np.zeros((count, self.blocks(depth) * self.block), rows.dtype)
        whole[:, :depth] = rows
        return whole.reshape(count, -1, self.block)

    def join(self, blocks: NDArray[Any], depth: int) -> NDArray[Any]:
        """[N, blocks, block] → [N, K]."""
        return blocks.reshape(len(blocks), -1)[:, :depth]


@dataclass(frozen=True)
class Codes:
    """Quantized weights. values: uint8 [N, K].   scales: float32 [N, blocks].   zeros: uint8 [N, blocks]."""

    values: Bytes
    scales: Floats
    zeros: Bytes

    def dequantized(self, grid: Grid) -> Floats:
        """The weights that these codes stand for: float32 [N, K]."""
        blocks = grid.split(self.values).astype(np.float32) - self.zeros[..., None]
        return grid.join(blocks * self.scales[..., None], self.values.shape[1])

    def where(self, chosen: NDArray[np.bool_], other: "Codes") -> "Codes":
        """These rows where `chosen` [N], the other's elsewhere."""
        own = chosen[:, None]
        return Codes(
            np.where(own, self.values, other.values),
            np.where(own, self.scales, other.scales),
            np.where(own, self.zeros, other.zeros),
        )


def joined(parts: Sequence[Codes]) -> Codes:
    """Codes of several groups of rows, as one."""
    return Codes(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.scales for part in parts]),
        np.concatenate([part.zeros for part in parts]),
    )


def fit(blocks: Floats, grid: Grid) -> tuple[Floats, Bytes]:
    """Scales and zeros that span each block: [..., block] → float32 [...], uint8 [...].

    Symmetric: the weight that is furthest from 0 gets the lowest code, so its sign is the scale's (there is
    one code more below the middle than above it). Else: 0 and both ends are on the grid.
    """
    if grid.symmetric:
        furthest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]
        scales = _usable(furthest / np.float32(-grid.middle))
        return scales, np.full(scales.shape, grid.middle, np.uint8)
    low = np.minimum(blocks.min(-1), 0).astype(np.float64)
    high = np.maximum(blocks.max(-1), 0).astype(np.float64)
    scales = _usable(((high - low) / grid.top).astype(np.float32))
    zeros = np.clip(np.rint(-low / scales), 0, grid.top)
    return scales, zeros.astype(np.uint8)


def encode(blocks: Floats, scales: Floats, zeros: Bytes, grid: Grid) -> Bytes:
    """The nearest code of each weight: uint8 [..., block]."""
    codes = np.rint(blocks / scales[..., None]) + zeros[..., None]
    nearest: Bytes = np.clip(codes, 0, grid.top).astype(np.uint8)
    return nearest


def _usable(scales: Floats) -> Floats:
    """1 where all weights are 0, or so small that the scale would be: they all get the code of 0."""
    return np.where(np.abs(scales) < LEAST_SCALE, np.float32(1), scales)
