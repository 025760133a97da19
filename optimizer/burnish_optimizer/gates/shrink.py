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
# A side of one is a trap: a sum is a mean there, a softmax is 1, a norm is 0, of a kernel the middle counts.
LEAST_SIDE = 4
# Of rows and of tokens this many are enough.
ROWS = 8


def elements(feeds: Mapping[str, Any]) -> int:
    """How many numbers a region takes."""
    return sum(getattr(value, "size", 0) for value in feeds.values())


def parts(feeds: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What may do in the place of `feeds`, the smallest first; each with fewer elements.

    The upper left corner of every image, or the first rows and tokens of what has three axes. An eighth of
    each side of an image, but LEAST_SIDE at least; where the region takes images of several sizes that belong
    together, what keeps them so: ⌈⌈n / 8⌉ / 2⌉ = ⌈⌈n / 2⌉ / 8⌉, or a lesser part if the smallest is small.
    """
    factor = _factor(feeds)
    ways = [(True, FACTOR), (False, FACTOR), (True, factor), (False, factor), (True, 1)]
    for tokens, by in dict.fromkeys(ways):
        part = {name: _part(value, tokens, by) for name, value in feeds.items()}
        if elements(part) < elements(feeds):
            yield part


def _factor(feeds: Mapping[str, Any]) -> int:
    """By what all sides can be divided."""
    images = [value for value in feeds.values() if getattr(value, "ndim", 0) == IMAGE_RANK]
    least = min((side for value in images for side in value.shape[2:] if side > 1), default=LEAST_SIDE)
    factor = FACTOR
    while factor > 1 and -(-least // factor) < LEAST_SIDE:
        factor //= 2
    return factor


def _part(value: Any, tokens: bool, factor: int) -> Any:
    rank = getattr(value, "ndim", 0)
    if rank == IMAGE_RANK:
        height, width = (max(-(-size // factor), min(size, LEAST_SIDE)) for size in value.shape[2:])
        return np.ascontiguousarray(value[:, :, :height, :width])
    return np.ascontiguousarray(value[:, :ROWS]) if tokens and rank == IMAGE_RANK - 1 else value
