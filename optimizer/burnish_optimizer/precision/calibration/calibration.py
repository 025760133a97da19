"""What one pass over the samples told: ranges by any method, and a file that other recipes read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from burnish_optimizer.errors import InvalidData
from burnish_optimizer.precision.calibration import methods, storage
from burnish_optimizer.precision.calibration.channels import ChannelRange
from burnish_optimizer.precision.calibration.histogram import Histogram
from burnish_optimizer.precision.calibration.records import DEFAULT_PERCENTILE, Method, Range
from burnish_runtime.session import Array


@dataclass(frozen=True, eq=False)
class Calibration:
    """Histograms and channel extremes by tensor. `samples`: how many were seen."""

    histograms: Mapping[str, Histogram]
    channels: Mapping[str, ChannelRange]
    samples: int

    def range(
        self,
        tensor: str,
        method: Method,
        levels: int = 256,
        *,
        percentile: float = DEFAULT_PERCENTILE,
        symmetric: bool = False,
        zero: bool = True,
    ) -> Range:
        """See `methods.choose`.

        Raises: InvalidData: the tensor was not collected, or nothing of it is finite.
        """
        seen = self.histogram(tensor)
        if seen.count == 0:
            bad = (
                f"{seen.nans} NaN and {seen.infinities} infinite values" if any(self.bad(tensor)) else "none"
            )
            raise InvalidData(
                f"tensor {tensor!r}",
                found=f"no finite value in {self.samples} samples ({bad})",
                expected="numbers to take a range from",
                remedy="Leave the nodes that compute with it as they are, or calibrate on other samples.",
            )
        return methods.choose(seen, method, levels, percentile=percentile, symmetric=symmetric, zero=zero)

    def histogram(self, tensor: str) -> Histogram:
        """What was seen. Raises: InvalidData: the tensor was not collected."""
        if tensor not in self.histograms:
            raise _unknown(tensor, f"not among the {len(self.histograms)} tensors that were collected")
        return self.histograms[tensor]

    def count(self, tensor: str) -> int:
        """Finite values seen. Raises: InvalidData: the tensor was not collected."""
        return self.histogram(tensor).count

    def bad(self, tensor: str) -> tuple[int, int]:
        """NaN and infinite values seen. Raises: InvalidData: the tensor was not collected."""
        seen = self.histogram(tensor)
        return seen.nans, seen.infinities

    def channel_absmax(self, tensor: str) -> Array:
        """Largest magnitude of each channel: float32 [channels].

        Raises: InvalidData: not collected by channel, or always empty.
        """
        return self._channels(tensor).absmax

    def channel_range(self, tensor: str) -> tuple[Array, Array]:
        """Minimum and maximum of each channel: float32 [channels] each, NaN where nothing was finite.

        Raises: InvalidData: not collected by channel, or always empty.
        """
        found = self._channels(tensor)
        return found.low, found.high

    def save(self, path: Path) -> None:
        """Write an `.npz`. A reader finds all of it, or nothing."""
        storage.save(path, self.histograms, self.channels, self.samples)

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read what `save` wrote.

        Raises: InvalidData: another file, or another version's.
        """
        return cls(*storage.load(path))

    def _channels(self, tensor: str) -> ChannelRange:
        if tensor not in self.channels:
            raise _unknown(tensor, f"not among the {len(self.channels)} that were collected by channel")
        return self.channels[tensor]


def _unknown(tensor: str, found: str) -> InvalidData:
    return InvalidData(
        f"tensor {tensor!r}",
        found=found,
        expected="a tensor that was collected",
        remedy="Name it when the samples are run (collect).",
    )
