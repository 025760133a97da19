"""What all stages of one run share: the job, the clock, the limits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from burnish_engine.base import Record
from burnish_engine.faults import disk_full
from burnish_optimizer.errors import BudgetExceeded, NoSpace, ReferenceFailed, WorkerFailed
from burnish_optimizer.job import OptimizeJob
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.measure.process import run_worker
from burnish_optimizer.progress import Steps
from burnish_optimizer.tasks import Task

R = TypeVar("R", bound=Record)
MIN_CANDIDATE_SECONDS = 2.0


@dataclass(frozen=True)
class Context:
    """One run. `started` and the budget's end are in the clock's seconds; `facts` tell of this machine."""

    job: OptimizeJob
    steps: Steps
    facts: dict[str, str]
    memory_bytes: int
    windows: Windows
    clock: Callable[[], float]
    started: float

    def left(self) -> float:
        """Seconds that the next process may take: the limit, or what the budget leaves."""
        budget = self.job.request.budget_seconds
        left = float("inf") if budget is None else self.started + budget - self.clock()
        return max(0.0, min(self.job.limits.seconds, left))

    def exhausted(self) -> str:
        """Why no further candidate is tried; empty while there is time."""
        if self.left() >= MIN_CANDIDATE_SECONDS:
            return ""
        return f"not reached within the budget of {self.job.request.budget_seconds:g} s"

    def worker(self, task: Task, result: type[R], name: str) -> R:
        """Run a task in a process of its own.

        Raises: WorkerFailed, Declined.
        """
        folder = self.job.work_dir / "work" / name
        return run_worker(task, result, folder, seconds=self.left(), memory_bytes=self.memory_bytes)

    @contextmanager
    def essential(self) -> Iterator[None]:
        """Steps without which there is no answer: their failure ends the run.

        Raises: BudgetExceeded where time is up, DiskFull where there is no room, else ReferenceFailed.
        """
        try:
            yield
        except NoSpace as error:
            raise disk_full(str(self.job.work_dir)) from error
        except WorkerFailed as error:
            budget = self.job.request.budget_seconds
            if budget is not None and self.left() <= 0:
                raise BudgetExceeded(
                    self.job.source.shown,
                    found=f"{self.clock() - self.started:.0f} s spent before the baseline was measured",
                    expected=f"a baseline within {budget:g} s",
                    remedy="Give a larger budget, or fewer evaluation samples.",
                ) from error
            raise ReferenceFailed(
                self.job.source.shown,
                found=error.found,
                expected="a source that ONNX Runtime runs on every sample",
                remedy="Run the model on one sample with onnxruntime, correct the model or the data.",
            ) from error

    def folder(self, name: str) -> Path:
        """A folder of this run's scratch space."""
        return self.job.work_dir / name
