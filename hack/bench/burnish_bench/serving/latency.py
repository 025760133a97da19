"""Latency at concurrency 1: all servers and the model alone, in turns, by NVIDIA's client in this process."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish_bench.serving.clients.triton import connect
from burnish_bench.serving.fleet import Server
from burnish_bench.serving.modes import Mode
from burnish_bench.serving.programs.session import open_session
from burnish_bench.serving.results import Latency
from burnish_bench.serving.tools import RAW
from burnish_bench.serving.workload import Workload

WINDOW_SECONDS = 0.25
MIN_ROUNDS = 4
WARM_UP_RUNS = 20


@dataclass
class Side:
    """One that is asked; `windows` holds the latencies of each turn. failed: it broke."""

    ask: Callable[[], Any]
    windows: list[list[float]] = field(default_factory=list)
    failed: str = ""

    def turn(self, seconds: float) -> None:
        """One request that does not count, then until time is up."""
        taken: list[float] = []
        try:
            self.ask()
            end = time.perf_counter() + seconds
            while not taken or time.perf_counter() < end:
                start = time.perf_counter()
                self.ask()
                taken.append(time.perf_counter() - start)
        except Exception as error:  # noqa: BLE001 (whatever a client raises is told)
            self.failed = f"{type(error).__name__}: {error}"
        self.windows.append(taken)


def measure(servers: Mapping[str, Server], mode: Mode, work: Workload, seconds: float) -> dict[str, Side]:
    """Sides by tool, and `RAW`. seconds: of each."""
    session = open_session(str(work.model))
    names = list(work.call.outputs)
    sides = {RAW: Side(lambda: session.run(names, work.call.inputs))}
    for name, server in servers.items():
        sides[name] = Side(connect(server.port(mode), mode, work.call))
    rotate(list(sides.values()), seconds)
    return sides


def rotate(sides: list[Side], seconds: float) -> None:
    """A B C, C B A, …: what drifts falls on all sides alike."""
    for side in sides:
        for _ in range(WARM_UP_RUNS):
            side.turn(0.0)
        side.windows.clear()
    for number in range(max(MIN_ROUNDS, round(seconds / WINDOW_SECONDS))):
        for side in sides if number % 2 == 0 else reversed(sides):
            if not side.failed:
                side.turn(WINDOW_SECONDS)


def figures(side: Side, raw: Side) -> Latency:
    """See `Latency`. Both sides have the same rounds."""
    every = np.concatenate([np.asarray(window) for window in side.windows])
    alone = np.concatenate([np.asarray(window) for window in raw.windows])
    pairs = zip(side.windows, raw.windows, strict=True)
    over = float(np.median([np.median(window) - np.median(base) for window, base in pairs]))
    p50, p90, p99 = (float(p) for p in np.percentile(every, [50, 90, 99]))
    _, raw90, raw99 = (float(p) for p in np.percentile(alone, [50, 90, 99]))
    return Latency(len(every), p50, p90, p99, over, p90 - raw90, p99 - raw99)
