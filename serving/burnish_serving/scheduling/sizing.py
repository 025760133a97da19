"""How many requests to run together now, and whether it pays to wait for more."""

from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import TypeVar

from burnish_serving.scheduling.groups import Group
from burnish_serving.scheduling.waiting import Item

Payload = TypeVar("Payload")
# A larger batch must earn its delay: this much more throughput than the smaller one.
WORTH = 1.02
# Shares of the compute time saved: the next request must be expected that soon, and all of the waiting may
# take that long. And how many times longer than expected a request may stay away.
SOON = 0.15
WORTH_WAITING = 0.3
PATIENCE = 2.0
# An event loop cannot wait for less than this with any precision.
LEAST_SAVED_SECONDS = 0.001


def fitting(line: Sequence[Item[Payload]], max_rows: int) -> int:
    """How many of a line fit one run: at least the first, whatever its size."""
    if len(line) == 1 or not line[0].group.is_batchable:
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
    """Until when an idle engine waits for more requests to join all of a line; None: it does not.

    What comes while the engine runs is batched anyway, and waiting for strangers only makes answers late. It
    pays for clients that ask again as soon as they are answered: without it they split into two halves, each
    of which waits for the other. So it waits where the next request should come in a small part of the time
    that joining those of the last run saves, no longer than a part of that, and while all are in time.
    """
    group, rows = line[0].group, sum(item.rows for item in line)
    arrivals = group.arrivals
    others = min(arrivals.run_rows, max_rows - rows)
    if not group.is_batchable or others < line[-1].rows or max_delay_seconds == 0:
        return None
    seconds, within = group.times.seconds, arrivals.next_within()
    # Joining never saves more than one of the two runs.
    if within > SOON * seconds(rows, now):
        return None
    together = seconds(rows + others, now)
    saved = seconds(rows, now) + seconds(others, now) - together
    if saved < LEAST_SAVED_SECONDS or within > SOON * saved:
        return None
    first = min(item.arrival for item in line)
    ends = [
        arrivals.over_at(PATIENCE),
        max(arrivals.freed, first) + WORTH_WAITING * saved,
        min(item.due for item in line) - together,
    ]
    if max_delay_seconds is not None:
        ends.append(first + max_delay_seconds)
    return until if (until := min(ends)) > now else None


def best_rows(group: Group, sizes: Sequence[int], goal_seconds: float, now: float) -> int:
    """The batch size in rows of the highest throughput that keeps the goal even after waiting for another."""
    if not group.is_batchable:
        return 1
    seconds = {size: group.times.seconds(size, now) for size in sizes}
    timely = [size for size in sizes if 2 * seconds[size] <= goal_seconds] or [min(sizes)]
    return min(timely, key=lambda size: (seconds[size] / size, size))


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
