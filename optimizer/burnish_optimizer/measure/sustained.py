"""Throughput at the goal: the highest rate of arrivals at which latency stays within it, of several sides.

Trials go in turns, as windows do: what disturbs the machine falls on all sides alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from burnish_engine.report import Estimate, SustainedRate
from burnish_engine.request import OptimizationRequest
from burnish_optimizer.measure.open_loop import Goal
from burnish_optimizer.measure.rates import RateSearch, Trial
from burnish_optimizer.tasks import OpenLoopRun

DEFAULT_PERCENTILE = 99.0
DEFAULT_TIMES_P50 = 10.0


class OpenLoop(Protocol):
    """A loaded and warm model that requests can be sent to by the clock."""

    def open_loop(self, rate: float, seconds: float, seed: int, goal: Goal) -> OpenLoopRun:
        """Answer a Poisson process of requests."""


@dataclass(frozen=True)
class Patience:
    """How long to try.

    seconds: all sides together.   requests: wanted in one trial, within the bounds of its length.
    """

    seconds: float = 12.0
    requests: int = 200
    least_seconds: float = 0.4
    most_seconds: float = 1.5

    def trial_seconds(self, rate: float) -> float:
        """How long one trial at a rate lasts."""
        return min(max(self.requests / rate, self.least_seconds), self.most_seconds)


@dataclass
class _Side:
    model: OpenLoop
    search: RateSearch
    last_kept: dict[float, OpenLoopRun] = field(default_factory=dict)

    def step(self, trial: Trial, goal: Goal, patience: Patience) -> None:
        run = self.model.open_loop(trial.rate, patience.trial_seconds(trial.rate), trial.seed, goal)
        kept = goal.is_kept(run.latencies_seconds, run.requests)
        if kept:
            self.last_kept[trial.rate] = run
        self.search.tell(kept)


def goal_of(request: OptimizationRequest, baseline_p50_seconds: float) -> Goal:
    """The request's own goal; without one p99 within ten times the baseline's p50."""
    if request.latency is not None:
        return Goal(request.latency.percentile, request.latency.seconds)
    return Goal(DEFAULT_PERCENTILE, DEFAULT_TIMES_P50 * baseline_p50_seconds)


def sustain(
    sides: Sequence[tuple[OpenLoop, float]],
    goal: Goal,
    batch: int,
    clock: Callable[[], float],
    patience: Patience | None = None,
) -> tuple[SustainedRate | None, ...]:
    """The rates of all sides, in their order; None for a side of which no rate was found in time.

    Args: sides: each with its capacity in requests per second (see `RateSearch`).
    """
    patience = patience or Patience()
    searched = [_Side(model, RateSearch(capacity)) for model, capacity in sides]
    end = clock() + patience.seconds
    while any(side.search.trial for side in searched) and clock() < end:
        for side in searched:
            trial = side.search.trial
            if trial is not None:
                side.step(trial, goal, patience)
    return tuple(_told(side, goal, batch) for side in searched)


def _told(side: _Side, goal: Goal, batch: int) -> SustainedRate | None:
    search = side.search
    run = side.last_kept.get(search.kept)
    if run is None:
        return None
    reached = float(np.percentile(run.latencies_seconds, goal.percentile))
    rate = Estimate(value=search.kept * batch, low=search.kept * batch, high=search.lost * batch)
    return SustainedRate(
        percentile=goal.percentile,
        limit_seconds=goal.seconds,
        samples_per_second=rate,
        latency_seconds=reached,
        requests=run.requests,
    )
