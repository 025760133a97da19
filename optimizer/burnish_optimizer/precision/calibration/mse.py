"""The range whose affine grid is nearest to what was seen, in mean squared error. Pure.

One side moves while the other stands, from all of it down to 1/256 in equal ratios, then between the
neighbours of the best. Both ends move on their own: a tensor behind GELU or HardSwish has a short negative
tail that must not cost the positive side its levels, nor the other way round.
Known bound: values are taken at the middle of their bins, so the root of the error that is minimized is
within half a bin of the true one.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from burnish_optimizer.precision.calibration.histogram import Histogram
from burnish_optimizer.precision.calibration.records import Range
from burnish_runtime.session import Array

COARSE = np.exp2(-np.linspace(0, 8, 33))
FINE = 17


class Points(NamedTuple):
    """What was seen, as points with weights: centres of bins that are not empty, without exact zeros."""

    values: Array
    weights: Array


def mse(seen: Histogram, levels: int = 256, zero: bool = True) -> Range:
    """The range with the least squared error on `levels` affine levels. Never worse than all of it."""
    points = points_of(seen, zero=zero)
    whole = Range(seen.low, seen.high)
    whole = whole.with_zero() if zero else whole
    if not points.values.size or whole.span == 0:
        return whole
    pivot = 0.0 if zero else float(np.average(points.values, weights=points.weights))

    def cost(lows: Array, highs: Array) -> Array:
        return squared_error(points, lows, highs, levels, zero=zero)

    high = _best_side(lambda ends: cost(np.full_like(ends, whole.low), ends), pivot, whole.high)
    low = _best_side(lambda ends: cost(ends, np.full_like(ends, high)), pivot, whole.low)
    # Once more, for the grid is another one with the other end moved; what was first is never lost to it.
    again = _best_side(lambda ends: cost(np.full_like(ends, low), ends), pivot, whole.high)
    tried = [whole, Range(whole.low, high), Range(low, high), Range(low, again)]
    costs = cost(np.array([r.low for r in tried]), np.array([r.high for r in tried]))
    return tried[int(np.argmin(costs))]


def points_of(seen: Histogram, *, zero: bool = True) -> Points:
    """Points and weights of a histogram. Where 0 is on every grid, exact zeros say nothing about it."""
    weights = seen.counts.astype(np.float64)
    if zero and seen.zeros:
        weights[-seen.first] -= seen.zeros
    some = weights > 0
    return Points(seen.centres[some], weights[some])


def squared_error(points: Points, lows: Array, highs: Array, levels: int, *, zero: bool) -> Array:
    """Sum of squared errors for each pair of ends: float64 [pairs]."""
    top = levels - 1
    scale = np.maximum((highs - lows) / top, np.finfo(np.float64).tiny)[:, None]
    offset = np.clip(np.rint(-lows[:, None] / scale), 0, top) if zero else -lows[:, None] / scale
    level = points.values[None, :] / scale + offset
    np.rint(level, out=level)
    np.clip(level, 0, top, out=level)
    level -= offset
    level *= scale
    level -= points.values[None, :]
    np.square(level, out=level)
    found: Array = level @ points.weights
    return found


def _best_side(cost: Callable[[Array], Array], pivot: float, end: float) -> float:
    """Where, between the pivot and the end, this side stops best."""
    shares = COARSE
    best = int(np.argmin(cost(pivot + (end - pivot) * shares)))
    wide, narrow = shares[max(best - 1, 0)], shares[min(best + 1, shares.size - 1)]
    fine = np.concatenate([[shares[best]], np.linspace(wide, narrow, FINE)])
    return float(pivot + (end - pivot) * fine[int(np.argmin(cost(pivot + (end - pivot) * fine)))])
