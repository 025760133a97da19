"""One task in a process of its own: what a model breaks there is that process, never the command."""

from pathlib import Path
from typing import TypeVar

from burnish_engine.base import Record
from burnish_optimizer.job import Limits
from burnish_optimizer.measure.process import run_worker
from burnish_optimizer.targets.fingerprint import available_memory_bytes
from burnish_optimizer.tasks import Task

MEMORY_SHARE = 0.8
R = TypeVar("R", bound=Record)


def isolated(task: Task, result: type[R], work_dir: Path, limits: Limits | None = None) -> R:
    """Run a task to its end, within the limits.

    Raises: WorkerFailed (a crash, a limit, an exception), Declined.
    """
    allowed = limits or Limits()
    most = allowed.memory_bytes or int(MEMORY_SHARE * available_memory_bytes())
    return run_worker(task, result, work_dir, seconds=allowed.seconds, memory_bytes=most)
