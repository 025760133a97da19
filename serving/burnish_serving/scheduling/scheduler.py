"""The schedule of one model: told what comes, what ends and the time, it says what runs next."""

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

from burnish_serving.errors import Overloaded
from burnish_serving.scheduling import admission, sizing
from burnish_serving.scheduling.groups import Group
from burnish_serving.scheduling.policy import Policy
from burnish_serving.scheduling.terms import ANY_TIME, Terms
from burnish_serving.scheduling.usual import Kind, Usual
from burnish_serving.scheduling.waiting import Item, WaitingRoom

Payload = TypeVar("Payload")


# How often the best batch size of a group is looked for: it moves slowly, and looking takes microseconds.
LOOK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Run(Generic[Payload]):
    """Run these together, now."""

    items: list[Item[Payload]]
    rows: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to run. Ask again at this moment, or when something comes or ends."""

    until: float = math.inf


class Scheduler(Generic[Payload]):
    """The state of the schedule. Not for several threads. Times are seconds of one monotonic clock."""

    def __init__(self, subject: str, policy: Policy) -> None:
        """`subject`: the model, as errors name it."""
        self._subject, self._policy = subject, policy
        self._max_rows = policy.max_rows
        self._sizes = tuple(size for size in policy.sizes if size <= policy.max_rows) or (1,)
        self._waiting: WaitingRoom[Payload] = WaitingRoom()
        self._ends: dict[int, float] = {}
        self._usual = Usual()
        self._number = 0

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._waiting and not self._ends

    @property
    def is_idle(self) -> bool:
        """Whether an instance has nothing to do."""
        return len(self._ends) < self._policy.instances

    def stop_batching(self) -> None:
        """From now on every request runs alone."""
        self._max_rows, self._sizes = 1, (1,)

    def submit(
        self, payload: Payload, group: Group, rows: int, now: float, terms: Terms = ANY_TIME
    ) -> Item[Payload]:
        """Let a request wait for its turn.

        Raises: DeadlineExceeded: it came too late.   Overloaded: its turn would come too late.
        """
        admission.check_deadline(self._subject, terms.deadline, now)
        kind = Kind(group, rows, terms.level)
        self._usual.add(kind, now)
        goal = self._goal(group, rows, now)
        self._check_wait(kind, now, goal=goal, deadline=terms.deadline)
        item = self._item(payload, group, rows, now, terms=terms, goal=goal)
        group.arrivals.add(now)
        self._waiting.add(item)
        return item

    def check_unread(self, ahead: int, now: float) -> None:
        """Refuse a request before it is read, where it would be refused if it were like all before it.

        Args: ahead: those that were let in before it and do not wait yet.
        Raises: Overloaded.
        """
        kind = self._usual.kind(now)
        if kind is None:
            return
        try:
            self._check_wait(kind, now, goal=self._goal(kind.group, kind.rows, now), ahead=ahead)
        except Overloaded:
            if not self._usual.is_read_anyway():
                raise

    def cancel(self, item: Item[Payload]) -> None:
        """Its caller went away: it does not run, unless it runs already."""
        self._waiting.discard(item)

    def take_expired(self, now: float) -> list[Item[Payload]]:
        """Those whose deadline is over before their turn came: they wait no more."""
        return self._waiting.take_expired(now)

    def next(self, now: float) -> Run[Payload] | Wait:
        """What to run now; the caller tells when it has ended (`finished`)."""
        deadline = self._waiting.earliest_deadline()
        until = math.inf if deadline is None else deadline
        for line in self._waiting.lines() if self.is_idle else ():
            best = self._best(line[0].group, now)
            count = sizing.fitting(line, best)
            if count == len(line):
                hold = sizing.hold_until(line, best, self._policy.max_delay_seconds, now)
                if hold is not None:
                    until = min(until, hold)
                    continue
                count = sizing.best_count(line, self._sizes, now)
            # Else more wait than run together: throughput is what helps them all.
            return self._run(line[0].group, count, now)
        return Wait(until)

    def finished(self, run: Run[Payload], seconds: float, now: float, *, learn: bool = True) -> None:
        """A run has ended. `learn`: what it took is what such a run takes."""
        self._ends.pop(run.items[0].number)
        group = run.items[0].group
        group.arrivals.ended(run.rows, now)
        if learn:
            group.times.observe(run.rows, seconds, now)

    def _run(self, group: Group, count: int, now: float) -> Run[Payload]:
        items = self._waiting.take(group, count)
        rows = sum(item.rows for item in items)
        self._ends[items[0].number] = now + group.times.seconds(rows, now)
        return Run(items, rows)

    def _goal(self, group: Group, rows: int, now: float) -> float:
        return admission.goal_seconds(self._policy.goal_seconds, group.times.seconds(rows, now))

    def _check_wait(
        self, kind: Kind, now: float, *, goal: float, deadline: float | None = None, ahead: int = 0
    ) -> None:
        if self._waiting or ahead or not self.is_idle:
            expected = self._expected(kind, ahead, now)
            left = None if deadline is None else deadline - now
            admission.check_wait(self._subject, expected, goal=goal, left_seconds=left)

    def _expected(self, kind: Kind, ahead: int, now: float) -> admission.Expected:
        """What a newcomer has to expect: a place in the last batch of its group, which may still fill up.

        ahead: how many others of its kind come before it and do not wait yet.
        """
        group, rows = kind.group, kind.rows
        # A run that is late by x is expected to take x more: an engine that hangs fills no queue.
        running = sum(abs(end - now) for end in self._ends.values())
        share, waiting = self._waiting.share_ahead(kind.level), self._waiting.rows_by_group()
        others = sum(self._work(g, ahead, now) for g, ahead in waiting.items() if g is not group) * share
        batch = max(rows, self._best(group, now))
        run_seconds = group.times.seconds(batch, now)
        runs = math.ceil((round(waiting.get(group, 0) * share) + rows * (ahead + 1)) / batch)
        work = running + others + (runs - 1) * run_seconds
        return admission.Expected(work / self._policy.instances, run_seconds)

    def _work(self, group: Group, rows: int, now: float) -> float:
        return sizing.work_seconds(group, rows, self._best(group, now), now)

    def _best(self, group: Group, now: float) -> int:
        if now - group.best_at > LOOK_AGAIN_SECONDS:
            group.best_at = now
            goal = self._goal(group, 1, now)
            group.best_rows = sizing.best_rows(group, self._sizes, goal, now)
        return min(group.best_rows, self._max_rows)

    def _item(
        self, payload: Payload, group: Group, rows: int, now: float, *, terms: Terms, goal: float
    ) -> Item[Payload]:
        self._number += 1
        due = now + goal
        return Item(
            payload=payload,
            group=group,
            rows=rows,
            level=terms.level,
            arrival=now,
            number=self._number,
            deadline=terms.deadline,
            due=due if terms.deadline is None else min(due, terms.deadline),
        )
