"""Which samples answers are judged on, and which are calibrated with. Pure.

Where an evaluation set is given it is all of it, and calibration takes the first samples of its own set.
Without one the calibration set serves both. Where it is large enough it is split, so that no sample is on
both sides: one sample in so many is calibrated with, spread over the set (sets are often in order of
class), and all others are judged. Where it is not, all of it is judged, those calibrated with among them,
and the report says so.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from burnish_engine.request import OptimizationRequest
from burnish_optimizer.gates.metrics.table import combined

DEFAULT_CALIBRATION_SAMPLES = 64
# What a split must leave to calibrate with: ranges of fewer samples clip what the others need.
MIN_CALIBRATION_SAMPLES = 16


class JudgedOn(StrEnum):
    """What answers were judged on, as the report tells it."""

    EVALUATION = "evaluation"
    HELD_OUT = "held-out calibration"
    CALIBRATION = "calibration"
    SYNTHETIC = "synthetic"

    @property
    def caveat(self) -> str:
        """What a reader of the report must know; empty for an evaluation set."""
        return _CAVEATS.get(self, "")


_CAVEATS = {
    JudgedOn.HELD_OUT: "no evaluation set: judged on samples of the calibration set that were left for it",
    JudgedOn.CALIBRATION: "no evaluation set: judged on the data that it was calibrated with, which flatters",
    JudgedOn.SYNTHETIC: "no data: judged on made-up samples, so only FP32 was tried",
}


@dataclass(frozen=True)
class Split:
    """How a calibration set serves both. every: see `DataSpec`; 1: nothing is held out.

    limit: at most so many samples are calibrated with.
    """

    every: int
    limit: int

    @property
    def held_out(self) -> bool:
        """Whether judged and calibrated samples are different ones."""
        return self.every > 1


def split(samples: int, request: OptimizationRequest) -> Split:
    """Hold samples out where enough remain on both sides.

    A number of calibration samples that the request names is kept; the default may shrink for the split.
    """
    asked = request.calibration_samples
    limit, least = asked or DEFAULT_CALIBRATION_SAMPLES, asked or MIN_CALIBRATION_SAMPLES
    spare = samples - least_judged(request)
    if spare <= 0:
        return Split(1, limit)
    every = max(2, samples // limit, math.ceil(samples / spare))
    calibrated = min(limit, math.ceil(samples / every))
    return Split(every if calibrated >= least else 1, limit)


def least_judged(request: OptimizationRequest) -> int:
    """Fewer could not pass the accuracy gate: see `gates.enough`, rules 1 and 2."""
    measure, drop = combined(request.metric), request.allowed_drop
    shares = math.ceil(1 / drop - 1e-9) if drop and measure.proportion else 0
    return max(measure.least_samples, shares)
