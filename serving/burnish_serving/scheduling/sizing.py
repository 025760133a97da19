"""How many requests to run together now, and whether it pays to wait for more."""

from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import TypeVar

from burnish_serving.scheduling.groups import Group
from burnish_serving.scheduling.waiting import Item

Payload = TypeVar("Payload")
# A larger batch must earn its delay: this much more throughput than the smaller one.
WORTH = 1.02
# Arrivals are not regular: the next request is waited for where it should come in half of what it saves.
CERTAINTY = 0.5


def fitting(line: Sequence[Item[Payload]], max_rows: int) -> int:
    """How many of a line fit one run: at least the first, whatever its size."""
    if not line[0].group.is_batchable:
        return 1
    rows = accumulate(item.rows for item in line)
    return max(1, sum(1 for _ in takewhile(lambda total: total <= max_rows, rows)))


def best_count(line: Sequence[Item[Payload]], sizes: Sequence[int], now: float) -> int:
    """How many of a line to run together: the best throughput that lets nobody be late.

    Where even the first alone is late, throughput is all that helps those behind.
    Args: line: those that fit one run.   sizes: batch sizes in rows that are known to run well.
    """
    if len(line) == 1:
        return 1
    totals = list(accumulate(item.rows for item in line))
    counts = _counts(totals, sizes)
    times = line[0].group.times
    timely = [n for n in counts if _is_timely(line[:n], now + times.seconds(totals[n - 1], now))] or counts
    best, best_rate = timely[0], 0.0
    for count in timely:
        rows = totals[count - 1]
        seconds = times.seconds(rows, now)
        rate = rows / seconds if seconds > 0 else float(rows)
        if rate > best_rate * WORTH:
            best, best_rate = count, rate
    return best


def hold_until(
    line: Sequence[Item[Payload]], max_rows: int, max_delay_seconds: float | None, now: float
) -> float | None:
    """Until when an idle engine waits for one more request to join all of a line; None: it does not.

    It waits where the compute time that joining saves is longer than the wait should be, for no longer
    than that, and while all are still in time.
    """
    first, group = line[0], line[0].group
    rows = sum(item.rows for item in line)
    joined = rows + line[-1].rows
    if not group.is_batchable or joined > max_rows or max_delay_seconds == 0:
        return None
    together = group.times.seconds(joined, now)
    saved = group.times.seconds(rows, now) + group.times.seconds(line[-1].rows, now) - together
    if group.arrivals.gap_seconds > CERTAINTY * saved:
        return None
    ends = [group.arrivals.last + saved, min(item.due for item in line) - together]
    if max_delay_seconds is not None:
        ends.append(min(item.arrival for item in line) + max_delay_seconds)
    return until if (until := min(ends)) > now and first.is_waiting else None


def cheapest_row_seconds(group: Group, sizes: Sequence[int], rows: int, now: float) -> float:
    """Seconds a row where the queue is long enough for the best batch size."""
    candidates = (*sizes, rows) if group.is_batchable else (rows,)
    return min(group.times.seconds(size, now) / size for size in candidates)


def _counts(totals: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """How many requests make up each known size, or come just below it; and all of them."""
    found = {1, len(totals)}
    for size in sizes:
        found.add(max(1, sum(1 for total in totals if total <= size)))
    return sorted(found)


def _is_timely(members: Sequence[Item[Payload]], end: float) -> bool:
    return all(end <= item.due for item in members)
