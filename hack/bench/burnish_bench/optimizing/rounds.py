"""All tools of a model measured in turns, each in its own process: what drifts falls on all alike."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from burnish_bench.optimizing.cells import Built
from burnish_bench.optimizing.datasets import Data
from burnish_bench.optimizing.sides import SideFailed, SideProcess
from burnish_bench.optimizing.tools import BASELINE
from burnish_bench.tasks.base import Task
from burnish_optimizer.measure.statistics import Rounds, percentile, ratio

WINDOW_SECONDS = 0.06
MIN_ROUNDS = 8
# A thread pool that waits for work spins on for a few milliseconds: the next side shall not feel it.
PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Measured:
    """p50: seconds.   speedup: over the baseline, round by round, with its 95 % interval; above 1 is faster.

    failed: why there is no figure.
    """

    p50: float | None = None
    speedup: float | None = None
    low: float | None = None
    high: float | None = None
    load_seconds: float | None = None
    peak_memory_bytes: int | None = None
    rounds: int = 0
    failed: str = ""


def measure(
    task: Task, data: Data, built: Mapping[str, Built], folder: Path, *, threads: int, seconds: float
) -> dict[str, Measured]:
    """Every tool that has something to run, for `seconds` together per tool, at least `MIN_ROUNDS` rounds."""
    failed: dict[str, Measured] = {}
    with ExitStack() as stack:
        sides: dict[str, SideProcess] = {}
        opened: dict[str, dict[str, float]] = {}
        for name, made in built.items():
            side = stack.enter_context(SideProcess(made, folder / f"{name}.measure.log"))
            try:
                opened[name] = side.open(task.name, data.evaluation, threads)
                sides[name] = side
            except SideFailed as error:
                failed[name] = Measured(failed=str(error))
        windows = _rotate(sides, failed, seconds * len(sides))
    base = windows.get(BASELINE, [])
    found = {name: _figures(base, taken, opened[name]) for name, taken in windows.items()}
    return {name: failed.get(name) or found[name] for name in built}


def _rotate(
    sides: dict[str, SideProcess], failed: dict[str, Measured], seconds: float
) -> dict[str, list[tuple[float, ...]]]:
    """A B C, C B A, …; one that breaks is out, the others go on."""
    windows: dict[str, list[tuple[float, ...]]] = {name: [] for name in sides}
    begin, rounds = time.perf_counter(), 0
    while rounds < MIN_ROUNDS or time.perf_counter() - begin < seconds:
        order = [name for name in sides if name not in failed]
        for name in order if rounds % 2 == 0 else reversed(order):
            try:
                windows[name].append(sides[name].round(WINDOW_SECONDS))
            except SideFailed as error:
                failed[name] = Measured(failed=str(error))
            time.sleep(PAUSE_SECONDS)
        rounds += 1
        if BASELINE in failed:
            break
    return windows


def _figures(
    base: list[tuple[float, ...]], taken: list[tuple[float, ...]], opened: dict[str, float]
) -> Measured:
    rounds = min(len(base), len(taken))
    if rounds < 2:
        return Measured(failed="not measured: the baseline has no figure")
    slowdown = ratio(Rounds(tuple(base[:rounds]), tuple(taken[:rounds])))
    every = [latency for window in taken for latency in window]
    return Measured(
        percentile(every, 50).value,
        1 / slowdown.value,
        1 / slowdown.high,
        1 / slowdown.low,
        opened["load_seconds"],
        int(opened["peak_memory_bytes"]),
        rounds,
    )
