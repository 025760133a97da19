"""How many samples a judgement needs. Pure. The rules and where they come from:

1. At least 20 (59 for the largest error) whatever they say. A bootstrap of fewer is made by its correction
   rather than by the samples, and with 20 a fault of one input in seven is among them with 95 % confidence
   (0.86^20 < 0.05).
2. One thing lost (a sample, a box, a character: the metric's unit) may cost no more than the allowed drop:
   else the first one decides, and none of them lost says nothing about one. For shares of samples that is
   1 / max_drop: 100 for 0.01.
3. Where the estimate is within the limit and only the interval reaches beyond it: its half width falls as
   1/√n, so n × (half width / distance)².
"""

import math
from dataclasses import dataclass

MOST = 1_000_000_000
ROUNDING = 1e-9  # of the float sums behind a mean


@dataclass(frozen=True)
class Evidence:
    """What is known of one side of the limit.

    Args:
        samples: how many there are.   units: how many things can be lost one at a time; None: no such thing.
        least: rule 1.   room: how far the metric may fall before it is beyond the limit.
        estimate, bad_end: how far it has fallen, and the interval's end on that side.
    """

    samples: int
    units: float | None
    least: int
    room: float
    estimate: float
    bad_end: float


def samples_needed(seen: Evidence) -> int | None:
    """How many samples would do, as far as these tell; None: no number does (there is no room at all)."""
    least = float(seen.least)
    if seen.units is not None:
        if seen.room <= 0:
            return None
        least = max(least, _whole(seen.samples / seen.room / seen.units - ROUNDING))
    distance, width = seen.room - seen.estimate, seen.bad_end - seen.estimate
    if distance > ROUNDING and seen.bad_end > seen.room + ROUNDING:
        times = width / distance
        least = max(least, seen.samples + 1, _whole(seen.samples * times * times))
    return int(min(least, MOST))


def _whole(samples: float) -> int:
    """Rounded up. A limit next to nothing asks for more than a float holds."""
    return math.ceil(min(samples, MOST))
