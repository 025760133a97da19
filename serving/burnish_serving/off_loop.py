"""Work that is done on the event loop while it is small, and on a thread where it is large."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
# Below this (de)coding takes less time than a hop to a thread and back.
INLINE_BYTES = 256 << 10


async def off_loop_if(size_bytes: int, function: Callable[[], Result]) -> Result:
    """Run large work on a thread: the loop must answer probes meanwhile."""
    return function() if size_bytes <= INLINE_BYTES else await asyncio.to_thread(function)
