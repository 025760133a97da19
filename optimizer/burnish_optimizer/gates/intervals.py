"""95 % confidence intervals. Pure: the bootstrap is seeded, so the same data give the same interval."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from burnish_runtime.session import Array

Z95 = 1.959963984540054
RESAMPLES = 400
SEED = 7


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion.

    Args:    successes: may be fractional (mean shares of positions).   trials: samples, at least 1.
    Source:  Wilson 1927; center (p + z²/2n) / (1 + z²/n).
    """
    p, z2 = successes / trials, Z95**2
    center = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * math.sqrt(max(0.0, p * (1 - p)) / trials + z2 / (4 * trials**2))
    return max(0.0, center - half), min(1.0, center + half)


def bootstrap(
    values: Sequence[float] | Array, statistic: Callable[[Array], Array], resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Percentile bootstrap of a statistic that reduces the last axis of [resamples, n]."""
    data = np.asarray(values, dtype=np.float64)
    generator = np.random.default_rng(SEED)
    drawn = statistic(data[generator.integers(0, len(data), (resamples, len(data)))])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def bootstrap_mean(values: Sequence[float]) -> tuple[float, float]:
    """Interval of the mean."""
    return bootstrap(values, lambda drawn: np.mean(drawn, axis=-1))
