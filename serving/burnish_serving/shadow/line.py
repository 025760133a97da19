"""A line that is bounded in length and in bytes: who finds it full goes away."""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Line(Generic[Item]):
    """First come, first served, from any thread to one."""

    def __init__(self, length: int, size_bytes: int) -> None:
        self._length, self._room_bytes = length, size_bytes
        self._items: deque[tuple[Item, int]] = deque()
        self._changed, self._closed = threading.Condition(), False

    def put(self, item: Item, size_bytes: int) -> bool:
        """Stand in line; False where it is full or closed. Never waits."""
        with self._changed:
            if self._closed or len(self._items) >= self._length or size_bytes > self._room_bytes:
                return False
            self._items.append((item, size_bytes))
            self._room_bytes -= size_bytes
            self._changed.notify()
            return True

    def get(self) -> Item | None:
        """Wait for the next one; None once the line is closed."""
        with self._changed:
            while not (self._items or self._closed):
                self._changed.wait()
            if self._closed:
                return None
            item, size_bytes = self._items.popleft()
            self._room_bytes += size_bytes
            return item

    def close(self) -> None:
        """Send all away, and let nobody in."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
