"""Which key is worked on next: each key once, later if asked, slower if it keeps failing.

`Schedule` is the pure part (time comes in as an argument), `WorkQueue` its asyncio shell.
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from burnish_operator.errors import ClusterBusy

Key = TypeVar("Key")
BASE_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 300.0
# Keys that failed together do not come back together.
JITTER_SHARE = 0.25


@dataclass
class Lane(Generic[Key]):
    """Keys by due time. What was put off, taken or is busy is skipped where it comes up."""

    _heap: list[tuple[float, int, Key]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def push(self, key: Key, at: float) -> None:
        """Remember that `key` is due at this time."""
        heapq.heappush(self._heap, (at, next(self._numbers), key))

    def first(self, counts: Callable[[Key, float], bool]) -> tuple[float, Key] | None:
        """The earliest entry that counts; those before it are dropped for good."""
        while self._heap:
            at, _, key = self._heap[0]
            if counts(key, at):
                return at, key
            heapq.heappop(self._heap)
        return None

    def pop(self) -> None:
        """Drop the entry that `first` gave."""
        heapq.heappop(self._heap)


@dataclass
class Schedule(Generic[Key]):
    """Due times by key. A key is handed out to one worker at a time; a wake meanwhile is not lost.

    Keys that had a turn before have a lane of their own, and the lanes take turns where both have work:
    what was begun is finished while a burst of new keys is still waiting for its first look.
    """

    _due: dict[Key, float] = field(default_factory=dict)
    _busy: set[Key] = field(default_factory=set)
    _failures: dict[Key, int] = field(default_factory=dict)
    _closed_until: float = 0.0
    _begun: set[Key] = field(default_factory=set)
    _lanes: tuple[Lane[Key], Lane[Key]] = field(default_factory=lambda: (Lane(), Lane()))
    _begun_next: bool = False

    def wake(self, key: Key, at: float) -> bool:
        """Ask for `key` at this time; the earliest request wins. False: it was asked for as early already."""
        if at >= self._due.get(key, float("inf")):
            return False
        self._due[key] = at
        self._line_up(key)
        return True

    def take(self, now: float) -> Key | None:
        """The key that has been due for longest and that nobody works on, of the lane whose turn it is."""
        if now < self._closed_until:
            return None
        ready = [(lane, found[1]) for lane, found in enumerate(self._firsts()) if found and found[0] <= now]
        if not ready:
            return None
        lane, key = ready[self._begun_next] if len(ready) == 2 else ready[0]
        self._begun_next = lane == 0
        self._lanes[lane].pop()
        del self._due[key]
        self._busy.add(key)
        return key

    def done(self, key: Key) -> None:
        """The work on `key` went well: its failures are forgotten."""
        self._failures.pop(key, None)
        self._release(key)

    def close_until(self, at: float) -> None:
        """Hand nothing out before this time: who is asked for patience is asked for all keys."""
        self._closed_until = max(self._closed_until, at)

    def failed(self, key: Key, now: float, *, at_least: float = 0.0, chance: float = 0.0) -> float:
        """The work on `key` failed: ask again after a delay that doubles each time; return the delay.

        at_least: seconds that the other side asked for. chance: 0 to 1, how much of the jitter is added.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._release(key)
        delay = min(MAX_DELAY_SECONDS, max(at_least, BASE_DELAY_SECONDS * 2.0 ** min(failures, 20)))
        delay *= 1.0 + JITTER_SHARE * chance
        self.wake(key, now + delay)
        return delay

    def forget(self, key: Key) -> None:
        """There is nothing of this name any more: what has it next is new."""
        self._begun.discard(key)

    def next_due(self) -> float | None:
        """When the next free key may be handed out."""
        due = min((found[0] for found in self._firsts() if found), default=None)
        return None if due is None else max(due, self._closed_until)

    def idle(self) -> bool:
        """Whether nobody works on anything."""
        return not self._busy

    def depth(self, now: float) -> int:
        """Keys that are due and wait for a worker."""
        return sum(at <= now for at in self._due.values())

    def _firsts(self) -> list[tuple[float, Key] | None]:
        return [lane.first(self._counts) for lane in self._lanes]

    def _counts(self, key: Key, at: float) -> bool:
        return self._due.get(key) == at and key not in self._busy

    def _line_up(self, key: Key) -> None:
        if key not in self._busy:
            self._lanes[key in self._begun].push(key, self._due[key])

    def _release(self, key: Key) -> None:
        self._busy.discard(key)
        self._begun.add(key)
        if key in self._due:
            self._line_up(key)


class WorkQueue(Generic[Key]):
    """Workers over a schedule, in one event loop. `monotonic` gives seconds, `chance` 0 to 1."""

    def __init__(self, monotonic: Callable[[], float], chance: Callable[[], float] = random.random) -> None:
        self._monotonic, self._chance = monotonic, chance
        self._schedule: Schedule[Key] = Schedule()
        self._changed = asyncio.Condition()
        self._closed = False

    async def wake(self, key: Key, after_seconds: float = 0.0) -> None:
        """Ask for work on `key`, now or later."""
        if self._schedule.wake(key, self._monotonic() + after_seconds):
            async with self._changed:
                self._changed.notify()

    def depth(self) -> int:
        """Keys that wait for a worker."""
        return self._schedule.depth(self._monotonic())

    def idle(self) -> bool:
        """Whether no turn is under way."""
        return self._schedule.idle()

    async def close(self) -> None:
        """Begin no turn any more: `run` ends with the last one that is under way."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    async def run(self, workers: int, work: Callable[[Key], Awaitable[float | None]]) -> None:
        """Work until closed or cancelled. `work` returns seconds until the next turn, or raises: later.

        None: there is nothing of this name any more.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker(work))

    async def _worker(self, work: Callable[[Key], Awaitable[float | None]]) -> None:
        while (key := await self._take()) is not None:
            try:
                again = await work(key)
            except Exception as error:  # noqa: BLE001 - told by `work`; here it only means "later"
                self._put_off(key, error)
            else:
                self._schedule.done(key)
                if again is None:
                    self._schedule.forget(key)
                else:
                    self._schedule.wake(key, self._monotonic() + again)

    def _put_off(self, key: Key, error: Exception) -> None:
        now = self._monotonic()
        asked = min(MAX_DELAY_SECONDS, getattr(error, "retry_after_seconds", None) or 0.0)
        self._schedule.failed(key, now, at_least=asked, chance=self._chance())
        if isinstance(error, ClusterBusy):
            self._schedule.close_until(now + asked)

    async def _take(self) -> Key | None:
        async with self._changed:
            while not self._closed:
                key = self._schedule.take(self._monotonic())
                if key is not None:
                    # All but one of those who wait may sleep; that one looks after what is due next.
                    self._changed.notify()
                    return key
                await self._wait()
        return None

    async def _wait(self) -> None:
        due = self._schedule.next_due()
        timeout = None if due is None else max(0.0, due - self._monotonic())
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
