"""Requests that may share a run: the same inputs but for the number of rows, the same outputs."""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from burnish_runtime.session import Array
from burnish_serving.scheduling.service_time import ServiceTime

# Enough for every shape of a text model; bounded, because callers choose the shapes.
REMEMBERED_GROUPS = 256
GAP_WEIGHT = 0.2
# A pause says nothing of the rate in a burst: no gap counts for more.
LONGEST_GAP_SECONDS = 0.1

GroupKey = tuple[object, ...]


@dataclass(slots=True)
class Arrivals:
    """When requests come: clients that wait for their answers ask again soon after they have them.

    return_seconds: from the end of a run to the first request after it.   gap_seconds: between those that
    follow.   freed, last: when a run ended, and a request came, last.   run_rows: of that run.
    """

    return_seconds: float = math.inf
    gap_seconds: float = math.inf
    freed: float = -math.inf
    last: float = -math.inf
    run_rows: int = 1

    def add(self, now: float) -> None:
        """One came."""
        if self.last < self.freed:
            self.return_seconds = _moved(self.return_seconds, now - self.freed)
        elif math.isfinite(self.last):
            self.gap_seconds = _moved(self.gap_seconds, now - self.last)
        self.last = now

    def ended(self, rows: int, now: float) -> None:
        """A run of so many rows ended."""
        self.freed, self.run_rows = now, rows

    def next_within(self) -> float:
        """How long after the last event the next request should come."""
        return self.return_seconds if self.last < self.freed else self.gap_seconds

    def over_at(self, patience: float) -> float:
        """When nobody returns any more: everything so many times longer away than it should be."""
        returned = self.freed + patience * self.return_seconds
        return returned if self.last < self.freed else max(returned, self.last + patience * self.gap_seconds)


def _moved(average: float, sample: float) -> float:
    bounded = min(sample, LONGEST_GAP_SECONDS)
    return average + GAP_WEIGHT * (bounded - average) if math.isfinite(average) else bounded


@dataclass(eq=False, slots=True)
class Group:
    """Requests of one key. `is_batchable`: more than one of them may be in a run.

    best_rows: the batch size of the highest throughput, as was known at `best_at`; 0: nobody looked yet.
    """

    key: GroupKey
    is_batchable: bool
    times: ServiceTime
    arrivals: Arrivals = field(default_factory=Arrivals)
    best_rows: int = 0
    best_at: float = -math.inf


@dataclass(frozen=True)
class Profile:
    """The engine's measured seconds by rows, and how many elements a row of that measurement has."""

    seconds: Mapping[int, float] = field(default_factory=dict)
    elements: int = 1

    def scaled(self, elements: int) -> dict[int, float]:
        """For rows of other shapes: in proportion to their elements."""
        share = elements / max(1, self.elements)
        return {rows: seconds * share for rows, seconds in self.seconds.items()}


class Groups:
    """The groups that were seen lately, by key."""

    def __init__(self, profile: Profile, *, batching: bool) -> None:
        self._profile, self._batching = profile, batching
        self._known: OrderedDict[GroupKey, Group] = OrderedDict()

    def of(self, feeds: Mapping[str, Array], wanted: Sequence[str]) -> tuple[Group, int]:
        """A request's group, and its rows: 1 for one that must run alone, whatever its size is."""
        rows = rows_of(feeds) if self._batching else None
        if rows is None:
            shapes = tuple((array.dtype, array.shape) for array in feeds.values())
            return self._get((tuple(wanted), shapes, "alone"), feeds, rows), 1
        shapes = tuple((array.dtype, array.shape[1:]) for array in feeds.values())
        return self._get((tuple(wanted), shapes), feeds, rows), rows

    def _get(self, key: GroupKey, feeds: Mapping[str, Array], rows: int | None) -> Group:
        group = self._known.get(key)
        if group is None:
            elements = sum(array.size for array in feeds.values()) // (rows or 1)
            group = Group(key, rows is not None, ServiceTime(self._profile.scaled(elements)))
            self._known[key] = group
            if len(self._known) > REMEMBERED_GROUPS:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return group


def rows_of(feeds: Mapping[str, Array]) -> int | None:
    """Rows along axis 0 of every input, None: they do not agree, or there are none."""
    counts = {array.shape[0] if array.ndim else 0 for array in feeds.values()}
    (rows,) = counts if len(counts) == 1 else (0,)
    return rows or None
