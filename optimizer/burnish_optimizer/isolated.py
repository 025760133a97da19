"""One task in a process of its own: what a model breaks there is that process, never the command."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from burnish_engine.base import Record
from burnish_optimizer.job import Limits
from burnish_optimizer.measure.process import run_worker
from burnish_optimizer.tasks import Task

R = TypeVar("R", bound=Record)


def isolated(
    task: Task,
    result: type[R],
    work_dir: Path,
    limits: Limits | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> R:
    """Run a task to its end, within the limits; `meanwhile` is called every now and then.

    Raises: WorkerFailed (a crash, a limit, an exception), Declined.
    """
    allowed = limits or Limits()
    return run_worker(
        task,
        result,
        work_dir,
        seconds=allowed.seconds,
        memory_bytes=allowed.allowed_memory_bytes(),
        meanwhile=meanwhile,
    )
