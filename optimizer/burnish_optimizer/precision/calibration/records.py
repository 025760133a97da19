"""What is asked of a distribution, and what is answered."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_PERCENTILE = 99.99


class Method(StrEnum):
    """How the range that integers shall cover is chosen from what was seen."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    ENTROPY = "entropy"
    MSE = "mse"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, in the unit of the tensor. What lies outside is clipped."""

    low: float
    high: float

    @property
    def span(self) -> float:
        """high - low."""
        return self.high - self.low

    def with_zero(self) -> "Range":
        """The same, and 0: an affine grid needs a zero point that is an integer of its own range."""
        return Range(min(self.low, 0.0), max(self.high, 0.0))
