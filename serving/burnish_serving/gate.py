"""The door: how many requests may be inside at once, and when the last one has left."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge

from burnish_serving.errors import Overloaded


class Gate:
    """Counts requests from the moment they are let in. Used on the event loop alone.

    Counting comes before a body is read, hence memory for bodies is bounded too.
    """

    def __init__(self, limit: int, in_flight: Gauge) -> None:
        self._limit, self._in_flight = limit, in_flight
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def inside(self) -> int:
        """Requests inside now."""
        return self._inside

    @contextmanager
    def entered(self, model: str) -> Iterator[None]:
        """Be inside. Raises: Overloaded: the house is full."""
        if self._inside >= self._limit:
            raise Overloaded(
                f"model {model!r}",
                found=f"{self._inside} requests in flight",
                expected=f"fewer than {self._limit}",
                remedy="Try again in a moment, or add replicas.",
            )
        self._inside += 1
        self._empty.clear()
        self._in_flight.labels(model).inc()
        try:
            yield
        finally:
            self._in_flight.labels(model).dec()
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def emptied(self) -> None:
        """Wait until nobody is inside."""
        await self._empty.wait()
