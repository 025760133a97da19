"""Floating-point arrays that try what models may meet: ranges, signs of zero, denormals, NaN, ±Inf. Pure.

Arrays have the NumPy type that onnx-ir gives the element type: `ml_dtypes` for bfloat16, float8 and 4 bits.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from burnish_runtime.session import Array

LARGE = 1e3
TINY = 1e-5
SHIFT = 3.0
# One element in this many is replaced where special values are scattered.
SPARSITY = 32


class Style(StrEnum):
    """What a probe is about; its value is what a reader sees."""

    NORMAL = "normal"
    UNIFORM = "uniform 0 to 1"
    LARGE = "large"
    NONFINITE = "NaN and infinities"
    TINY = "tiny, zeros and denormals"
    SHIFTED = "normal around 3"
    BLANK = "zeros"


def drawn(style: Style, shape: Sequence[int], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
    """An array in a style, rounded into the range of its type (never to infinity by overflow)."""
    if style is Style.BLANK:
        return np.zeros(shape, dtype)
    wide = np.float32 if dtype.itemsize <= np.dtype(np.float32).itemsize else np.float64
    values: Array = rng.random(shape, wide) if style is Style.UNIFORM else rng.standard_normal(shape, wide)
    shift = SHIFT if style is Style.SHIFTED else 0.0
    made = within(values * _SCALES.get(style, 1.0) + shift, dtype)
    if style is Style.NONFINITE:
        return in_last_row(made, rng)
    return scattered(made, subtle(dtype), rng) if style is Style.TINY else made


def limits(dtype: np.dtype[Any]) -> Any:
    """`numpy.finfo` for every floating-point type there is, those of ml_dtypes too."""
    return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]


def within(values: Array, dtype: np.dtype[Any]) -> Array:
    """Wider values as `dtype`, clipped to its finite range."""
    most = float(limits(dtype).max)
    return np.clip(values, -most, most).astype(dtype)


@cache
def subtle(dtype: np.dtype[Any]) -> Array:
    """±0 and ±denormals, as far as the type has them."""
    info = limits(dtype)
    small = np.array([info.smallest_subnormal, info.smallest_normal], np.float64)
    return _kept([0.0, -0.0, small[0], -small[0], (small[0] + small[1]) / 2], dtype)


@cache
def nonfinite(dtype: np.dtype[Any]) -> Array:
    """NaN and ±Inf, as far as the type has them."""
    return _kept([np.nan, np.inf, -np.inf], dtype)


@cache
def finite_extremes(dtype: np.dtype[Any]) -> Array:
    """±0, ±denormals, and the largest finite numbers."""
    most = float(limits(dtype).max)
    return _shared(np.concatenate([subtle(dtype), _kept([most, -most], dtype)]))


@cache
def square_overflows(dtype: np.dtype[Any]) -> Array:
    """Numbers of both signs that the type has room for, and not for their squares: max^¾."""
    large = np.array([float(limits(dtype).max) ** 0.75]).astype(dtype)
    return _shared(np.concatenate([large, -large]))


def scattered(array: Array, specials: Array, rng: np.random.Generator) -> Array:
    """A copy with a few elements replaced, each special value once at least where there is room.

    Half of the elements stay at least; one element alone stays what it is.
    """
    count = min(max(array.size // SPARSITY, len(specials)), array.size // 2)
    made = array.copy()
    if count and len(specials):
        flat = made.reshape(-1)
        flat[rng.choice(array.size, count, replace=False)] = np.resize(rng.permutation(specials), count)
    return made


def one_in_a_row(array: Array, specials: Array, rng: np.random.Generator) -> Array:
    """A copy with a special value in some rows of the last axis, one kind and one element a row.

    NaN beside Inf, or Inf beside -Inf, would be NaN for every sum: what becomes of Inf alone must show, too.
    """
    made = array.copy()
    if made.size < 2 or not len(specials):
        return made
    rows = made.reshape(-1, made.shape[-1])
    count = min(max(len(rows) // SPARSITY, len(specials)), len(rows))
    chosen = rng.choice(len(rows), count, replace=False)
    rows[chosen, rng.integers(0, rows.shape[1], count)] = np.resize(rng.permutation(specials), count)
    return made


def in_last_row(array: Array, rng: np.random.Generator) -> Array:
    """NaN and infinities in the last row alone, where there are rows: the others still give numbers."""
    made = array.copy()
    part = made[-1:] if made.ndim > 1 and made[-1:].size > 1 else made
    part[...] = scattered(part, nonfinite(array.dtype), rng)
    return made


def _kept(values: Sequence[float], dtype: np.dtype[Any]) -> Array:
    """Values that survive the type: no NaN for an infinity that float8 lacks, no zero for a denormal."""
    with np.errstate(all="ignore"):
        made = np.array(values, np.float64).astype(dtype)
        back = made.astype(np.float64)
    kept: Array = made[(back == values) | (np.isnan(back) & np.isnan(values))]
    return _shared(kept)


def _shared(array: Array) -> Array:
    """Regions are varied by the thousand: special values are worked out once, and nobody's to change."""
    array.flags.writeable = False
    return array


_SCALES: Mapping[Style, float] = {Style.LARGE: LARGE, Style.TINY: TINY}
