"""Does memory grow? Judged by a slope that single outliers do not move."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MIB = 1 << 20
ALLOWED_BYTES = 4 * MIB  # what allocators do to a server that keeps nothing, and a twentieth of a real leak
ALLOWED_SHARE = 0.02
# Allocators were seen to fill their arenas for four minutes.
WARM_UP_SECONDS, WARM_UP_SHARE = 300.0, 1 / 2
MIN_SAMPLES = 10


@dataclass(frozen=True)
class Sample:
    """Private memory at a moment after the start."""

    seconds: float
    private_bytes: int


@dataclass(frozen=True)
class Trend:
    """After warm-up. growth_bytes: the slope over the time that was looked at.

    allowed_bytes: also what lies between the quartiles around the slope: requests in memory come and go.
    """

    samples: int
    median_bytes: int
    bytes_per_hour: float
    growth_bytes: float
    allowed_bytes: float

    @property
    def is_flat(self) -> bool:
        """Whether nothing grows beyond what is allowed. Shrinking is flat."""
        return self.growth_bytes <= self.allowed_bytes


def trend(samples: Sequence[Sample], seconds: float) -> Trend | None:
    """The trend of a run of so many seconds; None: too few samples, or the system tells none.

    The slope is the median of the slopes of all pairs (Theil and Sen).
    """
    begin = min(WARM_UP_SECONDS, WARM_UP_SHARE * seconds)
    kept = [sample for sample in samples if sample.seconds >= begin and sample.private_bytes]
    if len(kept) < MIN_SAMPLES:
        return None
    times = np.array([sample.seconds for sample in kept])
    sizes = np.array([sample.private_bytes for sample in kept], np.float64)
    first, second = np.triu_indices(len(kept), 1)
    slope = float(np.median((sizes[second] - sizes[first]) / (times[second] - times[first])))
    median = int(np.median(sizes))
    low, high = np.percentile(sizes - slope * times, [25, 75])
    allowed = max(ALLOWED_BYTES, ALLOWED_SHARE * median, float(high - low))
    return Trend(len(kept), median, slope * 3600, slope * float(times[-1] - times[0]), allowed)
