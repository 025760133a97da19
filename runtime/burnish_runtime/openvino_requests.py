"""Infer requests of one compiled model, lent to one caller at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Requests:
    """Infer requests of one compiled model: one serves one thread at a time, hence the pool."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give back the memory."""
        self._idle.clear()
        self._compiled = None

    @contextmanager
    def one(self) -> Iterator[Any]:
        """An idle infer request, or a new one: as many as there are concurrent callers, never more.

        One whose run failed is dropped, not put back.
        """
        with self._lock:
            request = self._idle.pop() if self._idle else None
        if request is None:
            request = self._compiled.create_infer_request()
        yield request
        with self._lock:
            self._idle.append(request)
