"""Minimum and maximum of each channel of a tensor."""

from dataclasses import dataclass

import numpy as np

from burnish_optimizer.errors import InvalidJob
from burnish_runtime.session import Array


@dataclass(frozen=True, eq=False)
class ChannelRange:
    """Extremes along one axis: float32 [channels] each, NaN where no value was finite."""

    name: str
    axis: int
    low: Array
    high: Array

    def merged(self, other: "ChannelRange") -> "ChannelRange":
        """Both together.

        Raises: InvalidJob: another number of channels.
        """
        if self.low.shape != other.low.shape:
            raise _no_channels(self.name, self.axis, f"{self.low.size} and {other.low.size} of them")
        low, high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        return ChannelRange(self.name, self.axis, low, high)

    @property
    def absmax(self) -> Array:
        """Largest magnitudes: float32 [channels], 0 where no value was finite."""
        most: Array = np.nan_to_num(np.fmax(np.abs(self.low), np.abs(self.high)), nan=0.0)
        return most


def channel_range(name: str, array: Array, axis: int) -> ChannelRange:
    """Of the finite values of one array of float32.

    Raises: InvalidJob: it has no such axis.
    """
    if not -array.ndim <= axis < array.ndim:
        raise _no_channels(name, axis, f"an array of {array.ndim} axes")
    others = tuple(i for i in range(array.ndim) if i != axis % array.ndim)
    low, high = array.min(axis=others), array.max(axis=others)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        finite = np.where(np.isfinite(array), array, np.float32(np.nan))
        low, high = np.fmin.reduce(finite, axis=others), np.fmax.reduce(finite, axis=others)
    return ChannelRange(name, axis, low, high)


def _no_channels(name: str, axis: int, found: str) -> InvalidJob:
    return InvalidJob(
        f"tensor {name!r}",
        found=found,
        expected=f"the same number of channels along axis {axis} in every sample",
        remedy="Ask for an axis whose size is fixed.",
    )
