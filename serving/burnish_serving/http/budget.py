"""How many bytes of bodies may be in memory at once, whoever sent them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from burnish_serving.errors import Overloaded

Hold = Callable[[int], None]


class ByteBudget:
    """Bytes of all bodies that are being read or answered. Used on the event loop alone.

    Only what has arrived counts: a length that is announced costs nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes, self._held_bytes = limit_bytes, 0

    @property
    def held_bytes(self) -> int:
        """Bytes that are held now."""
        return self._held_bytes

    @contextmanager
    def holding(self) -> Iterator[Hold]:
        """Hold bytes for as long as this lasts. The given function adds some.

        Raises: Overloaded: from that function, where there is no room for them.
        """
        mine = 0

        def hold(count: int) -> None:
            nonlocal mine
            if self._held_bytes + count > self._limit_bytes:
                raise self._full()
            mine += count
            self._held_bytes += count

        try:
            yield hold
        finally:
            self._held_bytes -= mine

    def _full(self) -> Overloaded:
        return Overloaded(
            "server",
            found=f"{self._held_bytes} bytes of requests in memory",
            expected=f"room for more, below {self._limit_bytes}",
            remedy="Try again in a moment, add replicas, or raise --max-inflight-bytes.",
        )
