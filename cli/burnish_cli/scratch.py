"""What long commands share: a scratch folder, and a progress bar on a terminal (JSON lines off it)."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from burnish_engine.errors import StalledError
from burnish_optimizer.progress import JsonProgress, Progress, RichProgress

WORK_DIR_OPTION = click.option(
    "--work-dir",
    type=click.Path(path_type=Path),
    help="Scratch space. [default: a temporary folder]",
)
THREADS_OPTION = click.option(
    "--threads", type=click.IntRange(1, 1024), help="Threads. [default: what the CPU quota allows]"
)


@contextmanager
def scratch(work_dir: object) -> Iterator[Path]:
    """A folder that is gone afterwards, inside of `work_dir` where one is given."""
    if isinstance(work_dir, Path) and not work_dir.is_dir():
        raise StalledError(
            str(work_dir),
            found="no such folder",
            expected="scratch space",
            remedy="Create it, or drop --work-dir.",
        )
    parent = work_dir if isinstance(work_dir, Path) else None
    with tempfile.TemporaryDirectory(prefix="burnish-", dir=parent) as folder:
        yield Path(folder)


@contextmanager
def progress() -> Iterator[Progress]:
    """Told of every step of the command."""
    if not sys.stderr.isatty():
        yield JsonProgress()
        return
    with RichProgress() as bar:
        yield bar
