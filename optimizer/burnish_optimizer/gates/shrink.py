"""Parts of large inputs: FP64 on every pixel or every token proves no more than on some of them.

Only rounding passes are tried on parts: what they fuse holds for any size, or is cut from a region that
does not run on another size, and then the whole is used.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

LARGE_ELEMENTS = 1 << 14
FACTOR = 8
IMAGE_RANK = 4
# Of rows and of tokens this many are enough.
ROWS = 8


def elements(feeds: Mapping[str, Any]) -> int:
    """How many numbers a region takes."""
    return sum(getattr(value, "size", 0) for value in feeds.values())


def parts(feeds: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What may do in the place of `feeds`, the smallest first; each with fewer elements.

    The upper left corner of every image, an eighth of each side, rounded up, so that sizes still belong
    together: ⌈⌈n / 8⌉ / 2⌉ = ⌈⌈n / 2⌉ / 8⌉; or the first rows and tokens of what has three axes.
    """
    for tokens, sides in ((True, FACTOR), (False, FACTOR), (True, 1)):
        part = {name: _part(value, tokens, sides) for name, value in feeds.items()}
        if elements(part) < elements(feeds):
            yield part


def _part(value: Any, tokens: bool, factor: int) -> Any:
    rank = getattr(value, "ndim", 0)
    if rank == IMAGE_RANK:
        height, width = (-(-size // factor) for size in value.shape[2:])
        return np.ascontiguousarray(value[:, :, :height, :width])
    return np.ascontiguousarray(value[:, :ROWS]) if tokens and rank == IMAGE_RANK - 1 else value
