"""Tasks that meet a full disk."""

import os
from pathlib import Path

from burnish_optimizer.tasks import BuildResult, Task
from burnish_optimizer.worker import NO_SPACE_CODE


def fill(task: Task) -> BuildResult:
    """Write where no room is."""
    with Path("/dev/full").open("w", encoding="utf-8") as file:
        file.write("x")
    raise AssertionError


def fail(task: Task) -> BuildResult:
    """A failure of its own."""
    raise RuntimeError("the converter gave up")


def no_room_for_the_result(task: Task) -> BuildResult:
    """As a worker ends that cannot write what it made."""
    os._exit(NO_SPACE_CODE)
