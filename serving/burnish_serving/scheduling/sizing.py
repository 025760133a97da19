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
    """How many of a line to run together, the others right after them.

    As many as possible shall be in time; among such choices the throughput counts.
    Args: line: those that fit one run.   sizes: batch sizes in rows that are known to run well.
    """
    if len(line) == 1:
        return 1
    totals = list(accumulate(item.rows for item in line))
    best, best_timely, best_rate = 0, -1, 0.0
    for count in _counts(totals, sizes):
        timely, rate = _judged(line, totals, count, now)
        if timely > best_timely or (timely == best_timely and rate > best_rate * WORTH):
            best, best_timely, best_rate = count, timely, rate
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


def best_rows(group: Group, sizes: Sequence[int], now: float) -> int:
    """The batch size in rows of the highest throughput."""
    if not group.is_batchable:
        return 1
    return min(sizes, key=lambda size: (group.times.seconds(size, now) / size, size))


def work_seconds(group: Group, rows: int, best: int, now: float) -> float:
    """What so many waiting rows of a group take: batches of its best size, and the rest."""
    batches, rest = divmod(rows, best)
    seconds = batches * group.times.seconds(best, now) if batches else 0.0
    return seconds + (group.times.seconds(rest, now) if rest else 0.0)


def _counts(totals: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """How many requests make up each known size, or come just below it; and all of them."""
    found = {1, len(totals)}
    for size in sizes:
        found.add(max(1, sum(1 for total in totals if total <= size)))
    return sorted(found)


def _judged(
    line: Sequence[Item[Payload]], totals: Sequence[int], count: int, now: float
) -> tuple[int, float]:
    """How many are in time, and rows a second of the first run, where `count` run first."""
    times, rows = line[0].group.times, totals[count - 1]
    seconds, rest = times.seconds(rows, now), totals[-1] - rows
    then = now + seconds + (times.seconds(rest, now) if rest else 0.0)
    timely = sum(1 for item in line[:count] if now + seconds <= item.due)
    timely += sum(1 for item in line[count:] if then <= item.due)
    return timely, rows / seconds if seconds > 0 else float(rows)
