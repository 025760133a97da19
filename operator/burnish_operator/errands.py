"""What a turn leaves to others: it is done beside the turns, in order for each key, and may be lost.

Bounded: where it comes faster than it can be done, the newest is dropped, and that is told.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

MAX_WAITING = 10_000
_log = logging.getLogger(__name__)


class Errands:
    """Threads of their own; what has the same key is done in the order in which it came.

    what: for the log, in the plural.   max_waiting: how many may wait or be under way.
    """

    def __init__(self, what: str, threads: int, max_waiting: int = MAX_WAITING) -> None:
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix=f"{what}-{n}") for n in range(threads)]
        self._what, self._max = what, max_waiting
        self._lock = threading.Lock()
        self._waiting, self._dropped, self._ended = 0, 0, False

    def run(self, key: str, errand: Callable[[], None]) -> None:
        """Do it soon, or drop it. Never waits; what the errand raises is logged."""
        with self._lock:
            if self._ended or self._waiting >= self._max:
                self._drop_one()
                return
            try:
                future = self._threads[hash(key) % len(self._threads)].submit(errand)
            except RuntimeError:  # no thread can be started now
                self._drop_one()
                return
            self._waiting += 1
            self._tell_dropped()
        future.add_done_callback(self._done)

    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return self._waiting == 0

    def close(self) -> None:
        """Take nothing more; what was taken is done."""
        self._end(drop=False)

    def drop(self) -> None:
        """Take nothing more, and forget what was not begun; what is under way ends by itself."""
        self._end(drop=True)
        with self._lock:
            self._tell_dropped()

    def _end(self, *, drop: bool) -> None:
        with self._lock:
            self._ended = True
        for thread in self._threads:
            thread.shutdown(wait=False, cancel_futures=drop)

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._waiting -= 1
            if future.cancelled():
                self._drop_one()
            elif error := future.exception():
                _log.error("one of the %s: a defect", self._what, exc_info=error)

    def _drop_one(self) -> None:
        if self._dropped == 0 and not self._ended:
            _log.warning("%d %s wait: others are dropped", self._waiting, self._what)
        self._dropped += 1

    def _tell_dropped(self) -> None:
        if self._dropped:
            _log.warning("%d %s were dropped", self._dropped, self._what)
        self._dropped = 0
