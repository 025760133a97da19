"""How many are at something, and the moment at which nobody is. Used on the event loop alone."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Uses:
    """A counter that can be waited for."""

    def __init__(self) -> None:
        self._count = 0
        self._nobody = asyncio.Event()
        self._nobody.set()

    @property
    def count(self) -> int:
        """How many are at it."""
        return self._count

    @contextmanager
    def one(self) -> Iterator[None]:
        """Be one of them."""
        self._count += 1
        self._nobody.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._nobody.set()

    async def none(self) -> None:
        """Wait until nobody is at it."""
        await self._nobody.wait()
