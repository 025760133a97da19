"""The shapes that a plan takes. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from burnish_runtime.check import format_shape
from burnish_runtime.errors import InvalidInput


class Profile(NamedTuple):
    """The smallest and the largest shape of one input, as the plan was built for."""

    low: tuple[int, ...]
    high: tuple[int, ...]

    def check(self, name: str, shape: Sequence[int]) -> None:
        """Every axis must lie between the two.

        Raises: InvalidInput.
        """
        fits = len(shape) == len(self.low) and all(
            low <= size <= high for low, size, high in zip(self.low, shape, self.high, strict=True)
        )
        if not fits:
            raise InvalidInput(
                f"input {name!r}",
                found=f"shape {format_shape(shape)}",
                expected=f"between {format_shape(self.low)} and {format_shape(self.high)}",
                remedy="Optimize again with samples of these shapes: they make the profile.",
            )
