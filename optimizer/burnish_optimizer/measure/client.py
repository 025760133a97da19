"""The parent's side of a probe: a model in another process, asked in turn."""

import json
import math
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from burnish_engine.base import Record
from burnish_engine.descriptor import GoldenAnswer
from burnish_engine.request import Precision
from burnish_optimizer.errors import WorkerFailed
from burnish_optimizer.measure.open_loop import Goal
from burnish_optimizer.measure.process import Watched, read_answer
from burnish_optimizer.tasks import (
    BatchCheck,
    BatchesTaken,
    EnergyTaken,
    GoldenTaken,
    Judged,
    Opened,
    OpenLoopRun,
    ProbeTask,
    Round,
)

R = TypeVar("R", bound=Record)


# A window lasts for a fraction of a second, or for a few runs: beyond this and so many of the slowest run
# seen so far the model hangs.
HANGING_SECONDS, HANGING_RUNS = 20.0, 30


class ProbeProcess:
    """A loaded model in a process with limits. Every question has its own time limit.

    seconds: the most that any answer may take.   revivals: how often the process is started and opened again
    where it has died, and asked again: for one that must outlive what candidates do to the machine.
    Raises (all methods): WorkerFailed, Declined.
    """

    def __init__(self, task: ProbeTask, folder: Path, *, seconds: float, memory_bytes: int) -> None:
        self._start = partial(Watched, task, folder, memory_bytes=memory_bytes, piped=True)
        self._child = self._start()
        self.seconds, self.revivals = seconds, 0
        self._slowest_seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._child.kill()
        self._child.close()

    def open(self) -> Opened:
        """Load, warm up, and tell signature, load time and peak memory."""
        opened = self._ask(Opened, {"do": "open"})
        first = opened.first_inference_seconds or 0.0
        self._slowest_seconds = max(self._slowest_seconds, first, *opened.latencies_seconds)
        return opened

    def round(self, seconds: float) -> tuple[float, ...]:
        """Latencies of one window."""
        command = {"do": "round", "seconds": seconds}
        return self._ask(Round, command, self._patience(seconds)).latencies_seconds

    def energy(self) -> EnergyTaken:
        """Joules of all windows since this was last asked."""
        return self._ask(EnergyTaken, {"do": "energy"})

    def open_loop(self, rate: float, seconds: float, seed: int, goal: Goal) -> OpenLoopRun:
        """Requests that arrive by a Poisson clock at `rate` a second (see `measure.open_loop`)."""
        asked = {"rate": rate, "seconds": seconds, "seed": seed, "goal": [goal.percentile, goal.seconds]}
        return self._ask(OpenLoopRun, {"do": "open_loop", **asked}, self._patience(seconds + goal.seconds))

    def judge(self) -> Judged:
        """Scores of all evaluation samples against the reference's answers."""
        return self._ask(Judged, {"do": "judge"})

    def batch(self) -> BatchCheck:
        """Batch N beside N × batch 1."""
        return self._ask(BatchCheck, {"do": "batch"})

    def batches(self, precision: Precision) -> BatchesTaken:
        """Whether requests may share a run, and what batches take."""
        return self._ask(BatchesTaken, {"do": "batches", "precision": precision.value})

    def golden(self, path: Path, precision: Precision) -> GoldenAnswer | None:
        """Write a request and its answer to `path`; None where there is no small record of one."""
        command = {"do": "golden", "path": str(path), "precision": precision.value}
        return self._ask(GoldenTaken, command).golden

    def _patience(self, seconds: float) -> float:
        """The limit of an answer that should take so long."""
        return seconds + HANGING_SECONDS + HANGING_RUNS * self._slowest_seconds

    def _ask(self, kind: type[R], command: dict[str, Any], seconds: float = math.inf) -> R:
        limit = min(seconds, self.seconds)
        try:
            return self._exchange(kind, command, limit)
        except WorkerFailed:
            if self._child.process.poll() is None or not self.revivals:
                raise
        self.revivals -= 1
        self._child.close()
        self._child = self._start()
        self._exchange(Opened, {"do": "open"}, self.seconds)
        return self._exchange(kind, command, limit)

    def _exchange(self, kind: type[R], command: dict[str, Any], seconds: float) -> R:
        child = self._child
        if child.process.stdin is None or child.process.stdout is None:
            raise WorkerFailed(child.name, found="no pipes", expected="a probe")
        child.allow(seconds)
        try:
            child.process.stdin.write(json.dumps(command).encode() + b"\n")
            child.process.stdin.flush()
            line = child.process.stdout.readline()
        except BrokenPipeError:
            line = b""
        child.allow(None)
        if not line:
            raise child.failure()
        return read_answer(line, kind, child.name)
