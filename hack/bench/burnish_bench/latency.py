"""Latency of several forms of one model, measured in turns: one thread, batch 1, ONNX Runtime's defaults."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from burnish_bench.execute import feeds_of, load
from burnish_optimizer.measure.statistics import Rounds, ratio

WARM_UP_SECONDS = 0.3
WINDOW_SECONDS = 0.06
MIN_ROUNDS = 8
Request = dict[str, Any]


@dataclass
class Side:
    """One form of the model, loaded; `windows` holds the latencies of each turn, in seconds."""

    session: ort.InferenceSession
    feeds: Mapping[str, Any]
    windows: list[tuple[float, ...]] = field(default_factory=list)

    def turn(self, seconds: float) -> tuple[float, ...]:
        """At least one run, then until time is up."""
        taken: list[float] = []
        begin = time.perf_counter()
        while not taken or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            self.session.run(None, self.feeds)
            taken.append(time.perf_counter() - start)
        return tuple(taken)


def measure(request: Request) -> Request:
    """{"models": {name: path}, "folder", "seconds"} → name → median seconds, and its ratio to the first.

    Ratios are latencies divided pair by pair (below 1 is faster), each with a 95 % interval.
    """
    sides = {name: _load(path, Path(request["folder"])) for name, path in request["models"].items()}
    for side in sides.values():
        side.turn(WARM_UP_SECONDS)
    _rotate(list(sides.values()), request["seconds"])
    first = next(iter(sides.values()))
    return {"latency": {name: _figures(first, side) for name, side in sides.items()}}


def _load(path: str, folder: Path) -> Side:
    session = load(Path(path), optimized=True)
    return Side(session, feeds_of(session, folder))


def _rotate(sides: list[Side], seconds: float) -> None:
    """A B C, C B A, …: what drifts falls on all sides alike."""
    begin, rounds = time.perf_counter(), 0
    while rounds < MIN_ROUNDS or time.perf_counter() - begin < seconds:
        for side in sides if rounds % 2 == 0 else reversed(sides):
            side.windows.append(side.turn(WINDOW_SECONDS))
        rounds += 1


def _figures(first: Side, side: Side) -> dict[str, float]:
    found = ratio(Rounds(tuple(first.windows), tuple(side.windows)))
    every = np.concatenate([np.asarray(window) for window in side.windows])
    return {"seconds": float(np.median(every)), "ratio": found.value, "low": found.low, "high": found.high}
