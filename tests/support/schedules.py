"""A schedule driven by a clock that jumps from event to event: no threads, no sockets, no waiting."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from burnish_serving.errors import DeadlineExceeded, Overloaded
from burnish_serving.scheduling.groups import Group
from burnish_serving.scheduling.policy import Policy
from burnish_serving.scheduling.scheduler import Run, Scheduler
from burnish_serving.scheduling.service_time import ServiceTime
from burnish_serving.scheduling.terms import Terms
from burnish_serving.scheduling.waiting import Item

SUBLINEAR = {1: 0.010, 2: 0.011, 4: 0.013, 8: 0.017, 16: 0.025}


def sublinear(rows: int) -> float:
    """Eight rows cost less than two runs of one."""
    return 0.009 + 0.001 * rows


def linear(rows: int) -> float:
    """Nothing is gained by batches."""
    return 0.010 * rows


@dataclass(eq=False)
class Asked:
    """One request of a scenario, and what became of it. again: the same, so often, 1 ms after its answer."""

    at: float
    key: str = "a"
    rows: int = 1
    priority: int = 0
    deadline: float | None = None
    cancel_at: float | None = None
    again: int = 0
    ran: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    fate: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Ran:
    """One run."""

    at: float
    seconds: float
    asked: list[Asked]


class Simulation:
    """Requests through a scheduler, on instances that take what `seconds` says for so many rows."""

    def __init__(
        self,
        policy: Policy,
        seconds: Callable[[int], float] = sublinear,
        seeds: dict[int, float] | None = None,
    ) -> None:
        self.scheduler: Scheduler[Asked] = Scheduler("model 'm'", policy)
        self._seconds, self._seeds = seconds, SUBLINEAR if seeds is None else seeds
        self._batching = policy.max_rows > 1
        self.groups: dict[str, Group] = {}
        self.runs: list[Ran] = []
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = count()
        self.most_at_once, self._at_once = 0, 0

    def group(self, key: str) -> Group:
        if key not in self.groups:
            self.groups[key] = Group((key,), self._batching, ServiceTime(self._seeds))
        return self.groups[key]

    def play(self, asked: Sequence[Asked]) -> None:
        """Until nothing is left to happen."""
        for one in asked:
            self._come(one)
        while self._events:
            now, _, happen = heapq.heappop(self._events)
            happen(now)
            self._step(now)

    def _come(self, one: Asked) -> None:
        self._at(one.at, lambda now: self._arrive(one, now))

    def _at(self, moment: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), happen))

    def _arrive(self, one: Asked, now: float) -> None:
        try:
            terms = Terms(one.deadline, one.priority)
            item = self.scheduler.submit(one, self.group(one.key), one.rows, now, terms)
        except (Overloaded, DeadlineExceeded) as error:
            one.fate.append(error.reason)
            return
        if one.cancel_at is not None:
            self._at(max(now, one.cancel_at), lambda _: self._cancel(item))

    def _cancel(self, item: Item[Asked]) -> None:
        if item.is_waiting:
            self.scheduler.cancel(item)
            item.payload.fate.append("cancelled")

    def _step(self, now: float) -> None:
        for item in self.scheduler.take_expired(now):
            item.payload.fate.append("expired")
        while isinstance(step := self.scheduler.next(now), Run):
            self._begin(step, now)
        if now < step.until < float("inf"):
            self._at(step.until, lambda _: None)

    def _begin(self, run: Run[Asked], now: float) -> None:
        seconds, asked = self._seconds(run.rows), [item.payload for item in run.items]
        self.runs.append(Ran(now, seconds, asked))
        for one in asked:
            one.ran.append(now)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self._at(now + seconds, lambda end: self._end(run, seconds, end))

    def _end(self, run: Run[Asked], seconds: float, now: float) -> None:
        self._at_once -= 1
        self.scheduler.finished(run, seconds, now)
        for item in run.items:
            item.payload.ended.append(now)
            item.payload.fate.append("answered")
            if item.payload.again:
                self._come(Asked(now + 0.001, item.payload.key, again=item.payload.again - 1))
