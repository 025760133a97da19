"""What a metric is made of. Pure.

A metric of many samples is a function of small figures of each (sufficient statistics): sums for a mean,
counts for F1, scored hits for an average precision. So samples can be drawn again and again (bootstrap)
without looking at an answer twice, and what travels from the probe is small.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from burnish_optimizer.errors import NoFigure
from burnish_runtime.session import Array

Figures = tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """One sample: the outputs by name in one order, the reference's beside the candidate's, and the label."""

    names: Sequence[str]
    expected: Sequence[Array]
    found: Sequence[Array]
    label: Array | None = None


class Sides(NamedTuple):
    """A sample's figures of both sides. `judged`: the only output that was looked at; None: all were."""

    own: Figures
    reference: Figures
    judged: int | None = None


# From a draw of samples (how often each counts, [draws, samples]) to the metric of each draw, [draws].
Statistic = Callable[[Array], Array]


@dataclass(frozen=True)
class Measure:
    """A metric.

    sample: figures of one sample. Raises NoFigure: the metric cannot be computed on it.
    statistic: from all samples' figures.
    units: from the reference's figures, how many things there are that can be lost one at a time (samples,
    boxes, characters), each costing the same; None: answers change by degrees, their spread tells.
    proportion: the metric is a mean of shares, so Wilson's interval is its own.
    any_shape: outputs may differ in shape (boxes), the metric itself sees to that.
    least_samples: fewer tell nothing at 95 % whatever they say.
    """

    sample: Callable[[Case], Sides]
    statistic: Callable[[Sequence[Figures]], Statistic]
    units: Callable[[Sequence[Figures]], float] | None = None
    proportion: bool = False
    any_shape: bool = False
    least_samples: int = 20


def mean(figures: Sequence[Figures]) -> Statistic:
    """The mean of one figure a sample."""
    values = np.array([figure[0] for figure in figures], np.float64)
    return lambda draws: np.asarray(draws @ values / draws.sum(axis=-1))


def ratio(figures: Sequence[Figures]) -> Statistic:
    """Σ first / Σ second; 1 where there is nothing to divide by (a draw of samples that hold nothing)."""
    parts = np.array(figures, np.float64).reshape(-1, 2)

    def drawn(draws: Array) -> Array:
        above, below = draws @ parts[:, 0], draws @ parts[:, 1]
        return np.asarray(np.where(below > 0, above / np.maximum(below, 1e-300), 1.0))

    return drawn


def one_each(figures: Sequence[Figures]) -> float:
    """Every sample is a unit."""
    return float(len(figures))


def second_sum(figures: Sequence[Figures]) -> float:
    """Units are what the second figure counts.

    Raises: NoFigure: there are none in all samples.
    """
    total = sum(figure[1] for figure in figures)
    if total <= 0:
        raise NoFigure("the reference found nothing in any sample: there is nothing to agree with")
    return float(total)
