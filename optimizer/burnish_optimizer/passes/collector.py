"""Python's collector of cycles, told to look up less often."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Objects made before it looks; Python's own 700 are made by every hundred nodes that are copied, 100,000 by
# every ten thousand: what is young is then looked through once, and not again beside ten times as much.
OBJECTS = 400_000


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Graphs are cycles of many small objects that live long: looking through them took a third of the time.

    What is large is no part of a cycle that lasts: tensors lie in files, sessions end with their last use.
    """
    usual = gc.get_threshold()
    gc.set_threshold(OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
