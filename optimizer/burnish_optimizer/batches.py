"""Things taken together, as many at a time as fit."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def by_size(items: Iterable[T], size: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Items in their order, in batches whose sizes sum to `most` at most; one that is larger is alone."""
    batch: list[T] = []
    held = 0
    for item in items:
        cost = size(item)
        if batch and held + cost > most:
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += cost
    if batch:
        yield batch
