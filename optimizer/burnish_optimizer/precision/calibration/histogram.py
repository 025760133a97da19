"""A histogram that grows with its data: always 2048 bins, one pass, any order, exact extremes.

Bins are 2^exponent wide and begin at multiples of that, so that two neighbours make one bin of the next
width: ⌊⌊x / 2^e⌋ / 2⌋ = ⌊x / 2^(e+1)⌋. The width is the least that spans what was seen, hence it depends on
the extremes alone: merging is associative and commutative, to the bit, and a sum of parts is the
histogram of the whole. Memory is that of one histogram, however many samples.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from burnish_runtime.session import Array

BINS: Final = 2048
# Values below 2^-100 all are in the bins around 0; float32 holds 2^(absolute exponent - 40) times an integer.
LEAST_EXPONENT: Final = -100
FINEST_BITS: Final = 40
# What is computed at once stays in the processor's cache.
CHUNK: Final = 1 << 15


def _no_counts() -> Array:
    return np.zeros(BINS, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of finite values, and beside them what is not finite.

    exponent, first: bin i holds [(first + i) · 2^exponent, (first + i + 1) · 2^exponent).
    counts: int64 [2048].   low, high: exact extremes, inf and -inf where nothing was finite.
    zeros: values that are exactly 0 (in `counts`, too).   nans, infinities: never in `counts`.
    """

    exponent: int = LEAST_EXPONENT
    first: int = 0
    counts: Array = field(default_factory=_no_counts)
    low: float = math.inf
    high: float = -math.inf
    zeros: int = 0
    nans: int = 0
    infinities: int = 0

    @property
    def count(self) -> int:
        """Finite values seen."""
        return int(self.counts.sum())

    @property
    def width(self) -> float:
        """Of a bin."""
        return math.ldexp(1.0, self.exponent)

    @property
    def edges(self) -> Array:
        """float64 [2049]: where bins begin, and the last one ends."""
        found: Array = (self.first + np.arange(BINS + 1)) * self.width
        return found

    @property
    def centres(self) -> Array:
        """float64 [2048]: the middle of what of each bin lies between the extremes."""
        inside = np.clip(self.edges, self.low, self.high)
        middles: Array = (inside[:-1] + inside[1:]) / 2
        return middles

    def merged(self, other: "Histogram") -> "Histogram":
        """Both together."""
        low, high = min(self.low, other.low), max(self.high, other.high)
        exponent, first = grid(low, high)
        return Histogram(
            exponent=exponent,
            first=first,
            counts=self._at(exponent, first) + other._at(exponent, first),
            low=low,
            high=high,
            zeros=self.zeros + other.zeros,
            nans=self.nans + other.nans,
            infinities=self.infinities + other.infinities,
        )

    def absolute(self) -> "Histogram":
        """Of the values without their signs. A value on the edge of two bins may count in the lower one."""
        if self.low >= 0 or self.high < self.low:
            return self
        high = max(-self.low, self.high)
        low = 0.0 if self.high >= 0 else -self.high
        exponent = max(grid(low, high)[0], self.exponent)
        first = _index(low, exponent)
        index = self.first + np.arange(BINS)
        index = np.where(index < 0, -index - 1, index) >> min(exponent - self.exponent, 63)
        counts = _counted(np.clip(index - first, 0, BINS - 1), self.counts)
        return replace(self, exponent=exponent, first=first, counts=counts, low=low, high=high)

    def _at(self, exponent: int, first: int) -> Array:
        """The counts in wider bins."""
        if (exponent, first) == (self.exponent, self.first):
            return self.counts
        index = (self.first + np.arange(BINS)) >> min(exponent - self.exponent, 63)
        return _counted(index - first, self.counts)


def histogram(values: Array) -> Histogram:
    """Of numbers in any shape and of any type; they count as float32.

    What float32 cannot hold counts as infinite.
    """
    with np.errstate(over="ignore"):
        flat = np.asarray(values).reshape(-1).astype(np.float32, copy=False)
    if flat.size == 0:
        return Histogram()
    low, high = float(flat.min()), float(flat.max())
    if math.isfinite(low) and math.isfinite(high):
        return _of_finite(flat, low, high)
    finite = flat[np.isfinite(flat)]
    nans = int(np.isnan(flat).sum())
    return replace(histogram(finite), nans=nans, infinities=flat.size - finite.size - nans)


def grid(low: float, high: float) -> tuple[int, int]:
    """Exponent and first index of the narrowest bins that span these extremes."""
    if high < low:
        return LEAST_EXPONENT, 0
    finest = math.frexp(max(abs(low), abs(high)))[1] - FINEST_BITS
    exponent = max(LEAST_EXPONENT, finest)
    if high > low:
        exponent = max(exponent, math.frexp((high - low) / BINS)[1] - 1)
    while _index(high, exponent) - _index(low, exponent) >= BINS:
        exponent += 1
    return exponent, _index(low, exponent)


def _index(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))


def _of_finite(flat: Array, low: float, high: float) -> Histogram:
    exponent, first = grid(low, high)
    counts, zeros = _no_counts(), 0
    # Scaling up is exact in float32; scaling down would round a tiny negative number to 0, the next bin.
    kind = np.float32 if exponent <= 0 else np.float64
    per_unit, shift = kind(math.ldexp(1.0, -exponent)), kind(first)
    place = np.empty(min(CHUNK, flat.size), dtype=kind)
    for start in range(0, flat.size, CHUNK):
        chunk = flat[start : start + CHUNK]
        scaled = place[: chunk.size]
        # Exact: a power of two, an integer, and a difference of integers that float32 holds.
        np.multiply(chunk, per_unit, out=scaled)
        np.floor(scaled, out=scaled)
        np.subtract(scaled, shift, out=scaled)
        counts += np.bincount(scaled.astype(np.intp), minlength=BINS)
        zeros += chunk.size - int(np.count_nonzero(chunk))
    return Histogram(exponent, first, counts, low, high, zeros)


def _counted(index: Array, counts: Array) -> Array:
    some = counts > 0  # the others may lie outside
    if not some.any():
        return _no_counts()
    # As float64, which counts exactly up to 2^53.
    summed = np.bincount(index[some], weights=counts[some], minlength=BINS)
    return summed.astype(np.int64)
