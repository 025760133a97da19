"""The parent's side of a probe: a model in another process, asked in turn."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from burnish_engine.base import Record
from burnish_optimizer.errors import WorkerFailed
from burnish_optimizer.measure.open_loop import Goal
from burnish_optimizer.measure.process import Watched, read_answer
from burnish_optimizer.tasks import BatchCheck, EnergyTaken, Judged, Opened, OpenLoopRun, ProbeTask, Round

R = TypeVar("R", bound=Record)


class ProbeProcess:
    """A loaded model in a process with limits. Every question has its own time limit.

    Raises (all methods): WorkerFailed, Declined.
    """

    def __init__(self, task: ProbeTask, folder: Path, *, seconds: float, memory_bytes: int) -> None:
        self._child = Watched(task, folder, memory_bytes=memory_bytes, piped=True)
        self.seconds = seconds

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
        return self._ask(Opened, {"do": "open"})

    def round(self, seconds: float) -> tuple[float, ...]:
        """Latencies of one window."""
        return self._ask(Round, {"do": "round", "seconds": seconds}).latencies_seconds

    def energy(self) -> EnergyTaken:
        """Joules of all windows since this was last asked."""
        return self._ask(EnergyTaken, {"do": "energy"})

    def open_loop(self, rate: float, seconds: float, seed: int, goal: Goal) -> OpenLoopRun:
        """Requests that arrive by a Poisson clock at `rate` a second (see `measure.open_loop`)."""
        asked = {"rate": rate, "seconds": seconds, "seed": seed}
        return self._ask(OpenLoopRun, {"do": "open_loop", **asked, "goal": [goal.percentile, goal.seconds]})

    def judge(self) -> Judged:
        """Scores of all evaluation samples against the reference's answers."""
        return self._ask(Judged, {"do": "judge"})

    def batch(self) -> BatchCheck:
        """Batch N beside N × batch 1."""
        return self._ask(BatchCheck, {"do": "batch"})

    def _ask(self, kind: type[R], command: dict[str, Any]) -> R:
        child = self._child
        if child.process.stdin is None or child.process.stdout is None:
            raise WorkerFailed(child.name, found="no pipes", expected="a probe")
        child.allow(self.seconds)
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
