"""Constants in a narrower type: what they lose, and what they become."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

FLOAT16_MAX = 65504.0
# Numbers this large stand for infinity: masks are written with the lowest FP32. (None of them is an answer.)
INFINITE = 1e30
# What such a mask becomes: far below all scores, and with room to add them without an infinity.
MASK = 32768.0
# Rounding alone is off by at most 2^-11 of a number: what is more off than this has lost numbers that are
# below the normal ones of FP16 (2^-14).
MOST_LOST = 2.0**-10
CHUNK_ELEMENTS = 1 << 22


def flaw(array: NDArray[Any]) -> str:
    """Why a constant cannot be FP16; empty where it can. Read in pieces: weights may be large."""
    lost = power = 0.0
    for part in _pieces(array):
        finite = part[np.isfinite(part) & (np.abs(part) < INFINITE)]
        if finite.size and np.abs(finite).max() > FLOAT16_MAX:
            return f"a constant reaches {np.abs(finite).max():.3g}, beyond FP16"
        # In FP64, and relative to the largest: squares of the smallest numbers of FP32 would be 0.
        rounded = finite.astype(np.float16).astype(np.float64)
        lost += float(np.square(rounded - finite).sum())
        power += float(np.square(finite.astype(np.float64)).sum())
    if power > 0 and lost > MOST_LOST**2 * power:
        return f"a constant loses {100 * (lost / power) ** 0.5:.2g} % below the numbers of FP16"
    return ""


def narrowed(array: NDArray[Any], kind: ir.DataType, infinite: float) -> NDArray[Any]:
    """The constant as `kind`. infinite: what FP16 gets for what stands for infinity."""
    if kind != ir.DataType.FLOAT16:
        return np.asarray(array).astype(kind.numpy())
    values = np.asarray(array, np.float32)
    large = np.isfinite(values) & (np.abs(values) >= INFINITE)
    return np.where(large, np.copysign(np.float32(infinite), values), values).astype(np.float16)


def _pieces(array: NDArray[Any]) -> list[NDArray[Any]]:
    flat = np.asarray(array).reshape(-1)
    return [flat[i : i + CHUNK_ELEMENTS] for i in range(0, flat.size, CHUNK_ELEMENTS)]
