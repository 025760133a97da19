"""The door: how many requests may be inside at once, and when the last one has left."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from prometheus_client import Gauge

from burnish_serving.errors import Overloaded


class Visit:
    """One request inside: counted under no model's name until it is known which one is asked."""

    def __init__(self, in_flight: Callable[[str], Gauge], model: str) -> None:
        self._in_flight, self._counted = in_flight, in_flight(model)
        self._counted.inc()

    def asks(self, model: str) -> None:
        """Count this request under that name from now on."""
        self.leave()
        self._counted = self._in_flight(model)
        self._counted.inc()

    def leave(self) -> None:
        """Count it no more."""
        self._counted.dec()


class Gate:
    """Counts requests from the moment they are let in. Used on the event loop alone.

    Counting comes before a body is read, hence memory for bodies is bounded too.
    """

    def __init__(self, limit: int, in_flight: Gauge) -> None:
        self._limit = limit
        # Finding a gauge by its label costs more than all else here.
        self._in_flight: Callable[[str], Gauge] = cache(in_flight.labels)
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def inside(self) -> int:
        """Requests inside now."""
        return self._inside

    @contextmanager
    def entered(self, model: str = "") -> Iterator[Visit]:
        """Be inside. Raises: Overloaded: the house is full."""
        if self._inside >= self._limit:
            raise Overloaded(
                f"model {model!r}" if model else "server",
                found=f"{self._inside} requests in flight",
                expected=f"fewer than {self._limit}",
                remedy="Try again in a moment, or add replicas.",
            )
        self._inside += 1
        self._empty.clear()
        visit = Visit(self._in_flight, model)
        try:
            yield visit
        finally:
            visit.leave()
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def emptied(self) -> None:
        """Wait until nobody is inside."""
        await self._empty.wait()
