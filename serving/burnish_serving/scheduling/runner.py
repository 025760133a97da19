"""The shell around the scheduler: the event loop, a timer, and the threads that run the engine."""

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from burnish_runtime.session import Array, Session
from burnish_serving.errors import NotReady
from burnish_serving.scheduling.admission import too_late
from burnish_serving.scheduling.execution import Answered, Answers, Call, Execution, Outcome, execute
from burnish_serving.scheduling.groups import Groups
from burnish_serving.scheduling.schedule import Schedule
from burnish_serving.scheduling.scheduler import Run, Scheduler, Wait
from burnish_serving.scheduling.terms import ANY_TIME, Terms
from burnish_serving.scheduling.tolerance import Tolerance
from burnish_serving.scheduling.waiting import Item
from burnish_serving.workers import Workers

LOG = logging.getLogger("burnish.serving")


@dataclass(frozen=True, slots=True)
class Computed:
    """A request's answers. queue_seconds: until its run began.   batch_rows: of the run that it was in."""

    answers: Answers
    queue_seconds: float
    compute_seconds: float
    batch_rows: int


@dataclass(eq=False, slots=True)
class _Waiter:
    call: Call
    arrived: float
    future: asyncio.Future[Computed]


class Watch(Protocol):
    """Who is told what happens."""

    def executed(self, execution: Execution) -> None:
        """The engine ran once."""

    def waiting(self, count: int) -> None:
        """So many requests wait now."""

    def mismatched(self) -> None:
        """A batch was answered differently from its rows alone."""


class Runner:
    """Runs requests on an engine by its schedule. Used on one event loop; computes off it."""

    def __init__(self, name: str, session: Session, schedule: Schedule, watch: Watch) -> None:
        self._subject, self._session, self._schedule, self._watch = (
            f"model {name!r}",
            session,
            schedule,
            watch,
        )
        policy = schedule.policy
        self._groups = Groups(schedule.profile, batching=policy.max_rows > 1)
        self._scheduler: Scheduler[_Waiter] = Scheduler(self._subject, policy)
        self._workers = Workers(f"infer-{name}", policy.instances)
        self._timer: asyncio.TimerHandle | None = None
        self._batches = self._told = 0
        self._is_closed = self._is_ended = False
        self._emptied: asyncio.Future[None] | None = None

    async def run(
        self, feeds: Mapping[str, Array], wanted: Sequence[str], terms: Terms = ANY_TIME
    ) -> Computed:
        """Answer a request when its turn comes. A caller that is cancelled takes it along.

        Raises: Overloaded, DeadlineExceeded; NotReady: closed; whatever the engine raises for it.
        """
        if self._is_closed:
            raise NotReady(self._subject, found="an engine that is being unloaded", expected="a loaded one")
        now, future = time.monotonic(), asyncio.get_running_loop().create_future()
        group, rows = self._groups.of(feeds, wanted)
        waiter = _Waiter(Call(feeds, wanted, rows), now, future)
        item = self._scheduler.submit(waiter, group, rows, now, terms)
        self._dispatch()
        try:
            return await waiter.future
        finally:
            self._scheduler.cancel(item)  # where the caller was cancelled; else it waits no more
            self._end()

    def check_unread(self, ahead: int) -> None:
        """Refuse a request before it is read, where that can be told. Raises: Overloaded.

        ahead: those that were let in before it and have not come here yet.
        """
        self._scheduler.check_unread(ahead, time.monotonic())

    def close(self) -> None:
        """Take nothing more, and let the threads end when what waits is answered. Does not wait."""
        self._is_closed = True
        self._end()

    async def finished(self) -> None:
        """Take nothing more, and wait until nothing waits or runs: runs whose callers went away as well."""
        self._emptied = asyncio.get_running_loop().create_future()
        self.close()
        await self._emptied

    async def unload(self) -> None:
        """Take nothing more, answer what waits, and free the engine's memory when nothing runs any more."""
        await self.finished()  # a session must not be closed while it computes
        last = Workers("unload")
        try:
            await last.run(self._session.close)
        finally:
            last.close()

    def _end(self) -> None:
        """End what is not needed any more, once the runner is closed."""
        if not self._is_closed or self._scheduler.waiting:
            return
        if not self._is_ended:
            self._is_ended = True
            self._workers.close()
        if self._emptied is not None and self._scheduler.is_empty and not self._emptied.done():
            self._emptied.set_result(None)

    def _dispatch(self) -> None:
        now = time.monotonic()
        for item in self._scheduler.take_expired(now):
            self._expire(item, now)
        while isinstance(step := self._scheduler.next(now), Run):
            self._start(step, now)
        self._wake_at(step, now)
        if (waiting := self._scheduler.waiting) != self._told:
            self._told = waiting
            self._watch.waiting(waiting)

    def _expire(self, item: Item[_Waiter], now: float) -> None:
        future = item.payload.future
        if not future.done():
            future.set_exception(too_late(self._subject, now - (item.deadline or now)))

    def _wake_at(self, step: Wait, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if math.isfinite(step.until):
            self._timer = asyncio.get_running_loop().call_later(max(0.0, step.until - now), self._dispatch)

    def _start(self, run: Run[_Waiter], now: float) -> None:
        audited = self._schedule.tolerance if len(run.items) > 1 and self._is_audited() else None
        job = partial(_compute, self._session, [item.payload for item in run.items], audited)
        self._workers.start(job, partial(self._ended, run, now, audited is not None))

    def _is_audited(self) -> bool:
        every, count = self._schedule.audit_every, self._batches
        self._batches += 1
        return every > 0 and count % every == 0

    def _ended(self, run: Run[_Waiter], began: float, was_audited: bool, ended: "_Ended") -> None:
        now, executions = time.monotonic(), ended.outcome.executions
        # What several runs took, or a part of a batch, is not what such a batch takes. The way to the thread
        # and back counts: the next batch cannot start before.
        is_plain = [e.calls for e in executions] == [len(run.items)] and not was_audited
        self._scheduler.finished(run, now - began, now, learn=is_plain)
        for execution in executions:
            self._watch.executed(execution)
        for waiter, result in zip(ended.waiters, ended.outcome.results, strict=True):
            _settle(waiter, result)
        if ended.outcome.mismatch:
            self._stop_batching(ended.outcome.mismatch)
        self._dispatch()
        self._end()

    def _stop_batching(self, why: str) -> None:
        self._scheduler.stop_batching()
        self._watch.mismatched()
        LOG.error(f"{self._subject} answers batches differently, batching is off now: {why}")


@dataclass(frozen=True, slots=True)
class _Ended:
    """waiters: those that were run, since nobody waits for the others any more."""

    waiters: list[_Waiter]
    outcome: Outcome


def _compute(session: Session, waiters: Sequence[_Waiter], audited: Tolerance | None) -> _Ended:
    """On a thread."""
    wanted = [waiter for waiter in waiters if not waiter.future.cancelled()]
    return _Ended(wanted, execute(session, [waiter.call for waiter in wanted], audited=audited))


def _settle(waiter: _Waiter, result: Answered | Exception) -> None:
    if waiter.future.done():
        return
    if isinstance(result, Exception):
        waiter.future.set_exception(result)
        return
    run = result.execution
    waiter.future.set_result(Computed(result.answers, run.began - waiter.arrived, run.seconds, run.rows))
