"""From a distribution to the range that integers shall cover. Pure.

A range never leaves [low, high] of what was seen, but to reach 0 where that is asked for (an affine grid
needs it) or to be symmetric. Exact zeros cost no method anything: 0 is on every grid.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from burnish_optimizer.precision.calibration.entropy import entropy
from burnish_optimizer.precision.calibration.histogram import Histogram
from burnish_optimizer.precision.calibration.mse import mse
from burnish_optimizer.precision.calibration.records import DEFAULT_PERCENTILE, Method, Range
from burnish_runtime.session import Array


def choose(
    seen: Histogram,
    method: Method,
    levels: int = 256,
    *,
    percentile: float = DEFAULT_PERCENTILE,
    symmetric: bool = False,
    zero: bool = True,
) -> Range:
    """The range by one method.

    Args:
        seen: at least one finite value.   levels: of the integer grid: 256 for 8 bits.
        percentile: of PERCENTILE, the share that stays in the range, half of the rest cut on each side.
        symmetric: -a … a, chosen on what the values are without their signs, with half of the levels.
        zero: the range contains 0.
    Raises: ValueError: nothing finite was seen, fewer than 2 levels, or a percentile outside (0, 100].
    """
    if seen.count == 0:
        raise ValueError("found no finite value, expected some")
    if levels < 2 or not 0 < percentile <= 100:
        raise ValueError(
            f"found {levels} levels and percentile {percentile}, expected 2 or more, and (0, 100]"
        )
    if symmetric:
        bound = choose(seen.absolute(), method, max(2, levels // 2), percentile=percentile, zero=True).high
        return Range(-bound, bound)
    if method is Method.PERCENTILE:
        found = clipped(seen, percentile)
        return found.with_zero() if zero else found
    return METHODS[method](seen, levels, zero)


def minmax(seen: Histogram, _levels: int = 256, zero: bool = True) -> Range:
    """All that was seen."""
    found = Range(seen.low, seen.high)
    return found.with_zero() if zero else found


def clipped(seen: Histogram, percentile: float = DEFAULT_PERCENTILE) -> Range:
    """Without (100 - percentile) / 2 % of the values on each side; linear within a bin."""
    cut = (100.0 - percentile) / 200.0 * seen.count
    below = np.concatenate([[0], np.cumsum(seen.counts)])
    edges = np.clip(seen.edges, seen.low, seen.high)
    low, high = np.interp([cut, seen.count - cut], *_rising(below, edges))
    return Range(float(low), float(max(low, high)))


def _rising(below: Array, edges: Array) -> tuple[Array, Array]:
    """Where the cumulated count rises: an empty bin would have one count at two places."""
    kept = np.concatenate([below[1:] > below[:-1], [False]])
    kept |= np.concatenate([[False], kept[:-1]])
    return below[kept], edges[kept]


METHODS: Mapping[Method, Callable[[Histogram, int, bool], Range]] = MappingProxyType(
    {Method.MINMAX: minmax, Method.ENTROPY: entropy, Method.MSE: mse}
)
