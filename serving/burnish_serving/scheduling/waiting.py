"""The waiting room: requests in order, by group."""

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from burnish_serving.scheduling.groups import Group
from burnish_serving.scheduling.terms import LEVEL_SECONDS

Payload = TypeVar("Payload")
Key = TypeVar("Key")
Rank = tuple[float, int]
SLACK = 16


@dataclass(eq=False, slots=True)
class Item(Generic[Payload]):
    """One request that waits.

    number: counts up, tells apart what came at once.   due: when its answer should be there (seconds).
    """

    payload: Payload
    group: Group
    rows: int
    level: int
    arrival: float
    number: int
    deadline: float | None = None
    due: float = math.inf
    is_waiting: bool = False

    @property
    def rank(self) -> Rank:
        """Smaller goes first: by arrival within a level, and a level is worth some seconds."""
        return (self.arrival + self.level * LEVEL_SECONDS, self.number)


def _rank(item: Item[Payload]) -> Rank:
    return item.rank


class WaitingRoom(Generic[Payload]):
    """Requests that wait, those of each group in order."""

    def __init__(self) -> None:
        self._groups: dict[Group, list[Item[Payload]]] = {}
        self._deadlines: list[tuple[float, int, Item[Payload]]] = []
        self._rows_by_level: dict[int, int] = {}
        self._rows_by_group: dict[Group, int] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    def add(self, item: Item[Payload]) -> None:
        """Let one wait."""
        insort(self._groups.setdefault(item.group, []), item, key=_rank)
        self._count_in(item, 1)
        if item.deadline is not None:
            self._forget_gone()
            heapq.heappush(self._deadlines, (item.deadline, item.number, item))

    def discard(self, item: Item[Payload]) -> None:
        """Forget one that went away, if it still waits."""
        if item.is_waiting:
            members = self._groups[item.group]
            del members[bisect_left(members, item.rank, key=_rank)]
            self._left(item.group, [item])

    def take(self, group: Group, count: int) -> list[Item[Payload]]:
        """The first `count` of a group."""
        members = self._groups[group]
        taken = members[:count]
        del members[:count]
        self._left(group, taken)
        return taken

    def lines(self) -> list[list[Item[Payload]]]:
        """The groups that wait, each in order, the one whose first is first in front. Not to be changed."""
        lines = list(self._groups.values())
        return sorted(lines, key=lambda members: members[0].rank) if len(lines) > 1 else lines

    def take_expired(self, now: float) -> list[Item[Payload]]:
        """Those whose deadline is over."""
        expired = []
        while (first := self._first_deadline()) is not None and first[0] <= now:
            heapq.heappop(self._deadlines)
            self.discard(first[2])
            expired.append(first[2])
        return expired

    def earliest_deadline(self) -> float | None:
        """Of all that wait."""
        first = self._first_deadline()
        return None if first is None else first[0]

    def share_ahead(self, level: int) -> float:
        """The part of all rows that wait which goes before a newcomer of this level."""
        total = sum(self._rows_by_level.values())
        ahead = sum(rows for known, rows in self._rows_by_level.items() if known <= level)
        return ahead / total if total else 0.0

    def rows_by_group(self) -> Mapping[Group, int]:
        """How many rows of each group wait."""
        return self._rows_by_group

    def _first_deadline(self) -> tuple[float, int, Item[Payload]] | None:
        while self._deadlines and not self._deadlines[0][2].is_waiting:
            heapq.heappop(self._deadlines)
        return self._deadlines[0] if self._deadlines else None

    def _forget_gone(self) -> None:
        """Those that were run or went away must not be held until their deadline comes."""
        if len(self._deadlines) > 2 * self._count + SLACK:
            self._deadlines = [entry for entry in self._deadlines if entry[2].is_waiting]
            heapq.heapify(self._deadlines)

    def _left(self, group: Group, items: Iterable[Item[Payload]]) -> None:
        for item in items:
            self._count_in(item, -1)
        if not self._groups[group]:
            del self._groups[group], self._rows_by_group[group]

    def _count_in(self, item: Item[Payload], sign: int) -> None:
        item.is_waiting = sign > 0
        self._count += sign
        _add(self._rows_by_level, item.level, sign * item.rows)
        _add(self._rows_by_group, item.group, sign * item.rows)


def _add(counts: dict[Key, int], key: Key, rows: int) -> None:
    counts[key] = counts.get(key, 0) + rows
