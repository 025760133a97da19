"""The range whose quantized distribution tells most about what was seen: least Kullback-Leibler divergence.

As TensorRT's calibrator (Migacz, "8-bit inference with TensorRT", 2017): for a window of bins, P is the
distribution with what lies outside added to the window's last bins; Q is the same window without that,
summed into as many groups as there are levels and spread again over the bins that were not empty.
Here the window has two ends of its own, each moved while the other stands: the calibrator's window is
symmetric and gives half of its levels to signs that a tensor behind an activation hardly has.
"""

from collections.abc import Callable

import numpy as np

from burnish_optimizer.precision.calibration.histogram import BINS, Histogram
from burnish_optimizer.precision.calibration.records import Range
from burnish_runtime.session import Array

STEPS = 25
FINE = 9


def entropy(seen: Histogram, levels: int = 256, zero: bool = True) -> Range:
    """The range with the least divergence. The window has `levels` bins at least."""
    counts = _without_zeros(seen)
    whole = Range(seen.low, seen.high)
    whole = whole.with_zero() if zero else whole
    some = np.flatnonzero(counts)
    if some.size == 0:
        return whole
    first, last = int(some[0]), int(some[-1]) + 1
    mean = np.average(some, weights=counts[some])
    middle = int(np.clip(-seen.first if zero else mean, first, last))
    inner = min(last, max(middle, first + levels))
    last = _best_end(lambda end: divergence(counts, first, end, levels), last, inner)
    inner = max(first, min(middle, last - levels))
    first = _best_end(lambda begin: divergence(counts, begin, last, levels), first, inner)
    edges = np.clip(seen.edges, seen.low, seen.high)
    found = Range(float(edges[first]), float(edges[last]))
    return found.with_zero() if zero else found


def divergence(counts: Array, first: int, last: int, levels: int) -> float:
    """Nats between what was seen and what `levels` levels over the bins [first, last) keep of it."""
    window = counts[first:last]
    total, held = counts.sum(), window.sum()
    if held == 0:
        return float("inf")
    wanted = window.copy()
    wanted[0] += counts[:first].sum()
    wanted[-1] += counts[last:].sum()
    kept = np.maximum(_quantized(window, levels) / held, 1 / (BINS * total))
    some = wanted > 0
    share = wanted[some] / total
    return float(np.sum(share * np.log(share / kept[some])))


def _quantized(window: Array, levels: int) -> Array:
    """Summed into groups, and spread evenly over the bins that were not empty."""
    group = np.arange(window.size) * min(levels, window.size) // window.size
    filled = window > 0
    sums, bins = np.bincount(group, weights=window), np.bincount(group, weights=filled)
    return np.where(filled, (sums / np.maximum(bins, 1))[group], 0.0)


def _without_zeros(seen: Histogram) -> Array:
    counts = seen.counts.astype(np.float64)
    if seen.zeros:
        counts[-seen.first] -= seen.zeros
    return counts


def _best_end(cost: Callable[[int], float], outermost: int, innermost: int) -> int:
    """The end with the least cost between the two, looked for in even steps and then between neighbours."""
    coarse = np.unique(np.linspace(outermost, innermost, STEPS).astype(int))
    best = _least(cost, coarse, outermost)
    step = max(1, abs(outermost - innermost) // (STEPS - 1))
    low, high = sorted((outermost, innermost))
    fine = np.unique(np.linspace(max(low, best - step), min(high, best + step), FINE).astype(int))
    return _least(cost, fine, best)


def _least(cost: Callable[[int], float], ends: Array, favourite: int) -> int:
    """The best of these; the favourite where nothing is better."""
    costs = {int(end): cost(int(end)) for end in ends}
    costs[favourite] = costs.get(favourite, cost(favourite))
    best = min(costs, key=lambda end: costs[end])
    return best if costs[best] < costs[favourite] else favourite
