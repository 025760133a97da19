"""Smaller images for large regions: FP64 on every pixel of a large one proves no more than on a part.

Only rounding passes are tried on parts: what they fuse holds for any size, or is cut from a region that
does not run on another size, and then the whole is used.
"""

from collections.abc import Mapping
from typing import Any

LARGE_ELEMENTS = 1 << 15
FACTOR = 8
IMAGE_RANK = 4


def elements(feeds: Mapping[str, Any]) -> int:
    """How many numbers a region takes."""
    return sum(getattr(value, "size", 0) for value in feeds.values())


def shrunk(feeds: Mapping[str, Any]) -> dict[str, Any]:
    """The upper left corner of every image, an eighth of each side.

    Rounded up, so that sizes still belong together: ⌈⌈n / 8⌉ / 2⌉ = ⌈⌈n / 2⌉ / 8⌉.
    """
    return {name: _corner(value) for name, value in feeds.items()}


def _corner(value: Any) -> Any:
    if getattr(value, "ndim", 0) != IMAGE_RANK:
        return value
    height, width = (-(-size // FACTOR) for size in value.shape[2:])
    return value[:, :, :height, :width].copy()
