"""Requests that arrive by a clock, whether or not earlier ones have been answered.

A client that waits for each answer before it sends the next one (closed loop) never sees a queue, and a slow
answer delays the very requests that would have suffered from it (coordinated omission; G. Tene, "How NOT to
measure latency", 2013). Here arrivals are scheduled before the first one is sent, and latency counts from
the scheduled moment. One worker answers, first come, first served, as `burnish serve` does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from burnish_runtime.session import Array

# A sleeping thread is woken late by this much at the worst that matters; the rest is spent awake.
AWAKE_SECONDS = 0.0005


@dataclass(frozen=True)
class Goal:
    """At this percentile no more than so many seconds."""

    percentile: float
    seconds: float

    def may_miss(self, requests: int) -> int:
        """How many of so many requests may be slower."""
        return int(requests * (100.0 - self.percentile) / 100.0 + 1e-9)

    def is_kept(self, latencies: Sequence[float], requests: int) -> bool:
        """Whether so many requests kept it: those that were not answered are as slow as can be."""
        missed = sum(latency > self.seconds for latency in latencies) + requests - len(latencies)
        return requests > 0 and missed <= self.may_miss(requests)


class Clock(Protocol):
    """Time in seconds, and waiting for it."""

    def now(self) -> float:
        """Seconds since some moment."""

    def wait_until(self, moment: float) -> None:
        """Come back at that moment, at once if it has passed."""


def arrivals(rate: float, seconds: float, seed: int) -> Array:
    """Moments of a Poisson process of `rate` a second, in seconds from its start, before `seconds`.

    One seed gives one pattern that rates only stretch: what one rate keeps, a lower one keeps as well.
    """
    draws = np.random.default_rng(seed)
    moments = np.empty(0)
    while not moments.size or moments[-1] < seconds * rate:
        last = float(moments[-1]) if moments.size else 0.0
        moments = np.concatenate([moments, last + np.cumsum(draws.exponential(size=256))])
    return moments[moments < seconds * rate] / rate


def drive(
    serve: Callable[[], object], moments: Sequence[float], goal: Goal, clock: Clock
) -> tuple[float, ...]:
    """Latencies of the requests that came at these moments, from the scheduled moment to the answer.

    Fewer than there were moments where the goal was lost on the way: more would take time and tell nothing.
    """
    begin, may_miss = clock.now(), goal.may_miss(len(moments))
    latencies: list[float] = []
    for moment in moments:
        clock.wait_until(begin + moment)
        serve()
        latencies.append(clock.now() - begin - moment)
        may_miss -= latencies[-1] > goal.seconds
        if may_miss < 0:
            break
    return tuple(latencies)
