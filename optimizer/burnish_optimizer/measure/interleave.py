"""Baseline and candidate measured in turns, until their ratio is stable or time is up.

Turns go A B B A A B B A …: what drifts (clock, neighbours, heat) falls on both sides alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from burnish_engine.report import Estimate
from burnish_optimizer.measure.statistics import Rounds, ratio


class Measurable(Protocol):
    """A loaded and warm model."""

    def round(self, seconds: float) -> tuple[float, ...]:
        """Latencies in seconds of one window."""


@dataclass(frozen=True)
class Windows:
    """How long to measure.

    window_seconds: one turn of one side: short, so that a busy machine disturbs both sides alike.
    seconds: the bound where the answer is plain (the ratio's interval excludes 1).
    patience_seconds: the bound where it is not.
    precision: half width of the ratio's interval, relative, at which it is stable.
    clearly_slower: a ratio whose whole interval is above this needs no more turns.
    """

    window_seconds: float = 0.06
    seconds: float = 3.0
    patience_seconds: float = 7.0
    precision: float = 0.01
    clearly_slower: float = 1.3
    min_pairs: int = 8


def interleave(
    baseline: Measurable, candidate: Measurable, windows: Windows, clock: Callable[[], float]
) -> Rounds:
    """Measure both sides in turns. At least `min_pairs` pairs, however slow they are."""
    old: list[tuple[float, ...]] = []
    new: list[tuple[float, ...]] = []
    begin = clock()
    while True:
        first, second = (baseline, candidate) if len(old) % 2 == 0 else (candidate, baseline)
        taken = {id(side): side.round(windows.window_seconds) for side in (first, second)}
        old.append(taken[id(baseline)])
        new.append(taken[id(candidate)])
        if len(old) >= windows.min_pairs:
            estimate = ratio(Rounds(tuple(old), tuple(new)))
            if is_enough(estimate, clock() - begin, windows):
                return Rounds(tuple(old), tuple(new))


def is_enough(ratio_so_far: Estimate, seconds: float, windows: Windows) -> bool:
    """Whether more turns would not change the answer, or may not be taken."""
    half_width = (ratio_so_far.high - ratio_so_far.low) / 2
    if half_width <= windows.precision * ratio_so_far.value or ratio_so_far.low > windows.clearly_slower:
        return True
    is_plain = ratio_so_far.high < 1 or ratio_so_far.low > 1
    return seconds >= (windows.seconds if is_plain else windows.patience_seconds)
