"""What giving precision back costs in the request's own objective. Pure.

Memory is weighed by bytes of files: what weights take on disk is what they take once they are loaded, and the
memory of a mixture itself is known when it was loaded.
"""

from dataclasses import dataclass

from burnish_engine.report import CurvePoint
from burnish_engine.request import Minimize
from burnish_optimizer.precision.parts import Part

SPEED = (Minimize.LATENCY, Minimize.COST)


@dataclass(frozen=True)
class Price:
    """The objective, and the baseline's figure: its p50 in seconds, its peak memory or its size in bytes."""

    minimize: Minimize
    baseline: float

    def of(self, part: Part) -> float:
        """What a part's lower precision saves, as a share of the baseline's figure."""
        saved = part.seconds_saved if self.minimize in SPEED else part.bytes_saved
        return saved / max(self.baseline, 1e-12)

    def given_up(self, point: CurvePoint) -> float:
        """What a mixture gives up of that, as a share of the baseline's figure."""
        lost = point.seconds_given_up if self.minimize in SPEED else (point.bytes_given_up or 0)
        return lost / max(self.baseline, 1e-12)
