"""Numbers in bfloat16's raw bits, and back. NumPy has no such type."""

import numpy as np

from burnish_runtime.dtypes import BFLOAT16, numbers
from burnish_runtime.session import Array


def widen(bits: Array) -> Array:
    """What raw bits mean, exactly, as float32."""
    return numbers(bits, BFLOAT16)


def narrow(doubles: Array) -> Array:
    """The nearest bfloat16 of each double, ties to even, as raw bits; what is too large becomes infinity.

    By way of float32, rounded to odd there: rounding to nearest twice would miss the nearest.
    Source: S. Boldo and G. Melquiond, "Emulation of a FMA and correctly rounded sums", 2008, theorem 3.
    """
    bits = _odd(doubles)
    return np.asarray((bits + 0x7FFF + (bits >> 16 & 1)) >> 16, dtype=np.uint16)


def _odd(doubles: Array) -> Array:
    singles = doubles.astype(np.float32)
    bits = singles.view(np.uint32).astype(np.uint64)
    too_far = np.abs(singles.astype(np.float64)) > np.abs(doubles)
    inexact = singles.astype(np.float64) != doubles
    return np.where(inexact, (bits - too_far) | 1, bits)
