"""From latencies to figures with intervals. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from burnish_engine.report import Estimate, Latency
from burnish_optimizer.gates.intervals import bootstrap
from burnish_runtime.session import Array

MAX_RESAMPLED = 2000


@dataclass(frozen=True)
class Rounds:
    """Latencies in seconds of alternating windows: baseline and candidate, pair by pair."""

    baseline: tuple[tuple[float, ...], ...]
    candidate: tuple[tuple[float, ...], ...]


def percentile(latencies: Sequence[float], percent: float) -> Estimate:
    """A percentile of latencies with its bootstrap interval."""
    data = np.asarray(latencies, dtype=np.float64)
    low, high = bootstrap(_thinned(data), lambda drawn: np.percentile(drawn, percent, axis=-1))
    value = float(np.percentile(data, percent))
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def latency(latencies: Sequence[float]) -> Latency:
    """p50, p90 and p99."""
    return Latency(
        p50=percentile(latencies, 50), p90=percentile(latencies, 90), p99=percentile(latencies, 99)
    )


def throughput(latencies: Sequence[float], batch: int) -> Estimate:
    """Samples per second of one client that waits for each answer: batch / mean latency."""
    data = np.asarray(latencies, dtype=np.float64)
    value = float(batch / data.mean())
    low, high = bootstrap(_thinned(data), lambda drawn: batch / np.mean(drawn, axis=-1))
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def ratio(rounds: Rounds, percent: float | None = 50.0) -> Estimate:
    """Candidate over baseline (below 1 is faster), pair by pair: a drifting machine moves both sides.

    Args: percent: of which percentile; None: of the mean. At least two pairs.
    """
    pairs = zip(rounds.baseline, rounds.candidate, strict=True)
    logs = np.log([_center(new, percent) / _center(old, percent) for old, new in pairs])
    low, high = bootstrap(logs, lambda drawn: np.median(drawn, axis=-1))
    value = float(np.median(logs))
    # The percentile bootstrap is too narrow on few pairs.
    widen = (len(logs) / max(1, len(logs) - 1)) ** 0.5
    return Estimate(
        value=float(np.exp(value)),
        low=float(np.exp(value + (low - value) * widen)),
        high=float(np.exp(value + (high - value) * widen)),
    )


def unsteady(rounds: Rounds, precision: float) -> str:
    """What a reader must know where the ratio is vaguer than was wanted; empty where it is not.

    Args: precision: half width of its interval, relative.
    """
    found = ratio(rounds)
    reached = (found.high - found.low) / 2 / found.value
    if reached <= precision:
        return ""
    sides = ((rounds.candidate, "its"), (rounds.baseline, "the baseline's"))
    spreads = ", ".join(f"{whose} by {_spread(windows):.1%}" for windows, whose in sides)
    return (
        f"not steady: the ratio to the baseline is known to ± {reached:.1%}, ± {precision:.1%} was wanted; "
        f"from window to window the p50 varies ({spreads})"
    )


def _spread(windows: Sequence[Sequence[float]]) -> float:
    """Half the distance of the quartiles of the windows' medians, relative to the middle one."""
    low, middle, high = np.percentile([_center(window, 50.0) for window in windows], (25, 50, 75))
    return float((high - low) / 2 / middle)


def flatten(windows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """All latencies of all windows."""
    return tuple(latency for window in windows for latency in window)


def _center(window: Sequence[float], percent: float | None) -> float:
    return float(np.mean(window) if percent is None else np.percentile(window, percent))


def _thinned(data: Array) -> Array:
    """Every k-th latency where there are very many: the interval only gets wider by it."""
    return data[:: max(1, len(data) // MAX_RESAMPLED)]
