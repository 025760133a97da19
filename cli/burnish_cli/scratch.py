"""What long commands share: a scratch folder, and a progress bar on a terminal (JSON lines off it)."""

import fcntl
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from burnish_engine import digest
from burnish_engine.errors import StalledError
from burnish_engine.faults import written_to
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
    _check(work_dir)
    parent = work_dir if isinstance(work_dir, Path) else None
    with (
        tempfile.TemporaryDirectory(prefix="burnish-", dir=parent) as folder,
        written_to(parent or Path(folder)),
    ):
        yield Path(folder)


@contextmanager
def resumable(work_dir: object, job: object) -> Iterator[Path]:
    """A folder inside of `work_dir` that is gone after a good end, and is what the same job finds otherwise.

    Without `work_dir`: a folder that is gone afterwards.
    Args: job: what tells jobs apart: its text.
    Raises: StalledError: no such folder, or the same job is running in it.
    """
    if not isinstance(work_dir, Path):
        with scratch(work_dir) as folder:
            yield folder
        return
    _check(work_dir)
    name = digest.of_json(str(job)).removeprefix("sha256:")[:16]
    folder = work_dir / f"burnish-{name}"
    with _alone(work_dir / f"burnish-{name}.lock"), written_to(work_dir):
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock, which ends with this process at the latest."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StalledError(
                str(lock.parent),
                found="the same command, running in it",
                expected="one at a time",
                remedy="Wait for it to end, or name another --work-dir.",
            ) from error
        yield
        lock.unlink(missing_ok=True)


def _check(work_dir: object) -> None:
    if isinstance(work_dir, Path) and not work_dir.is_dir():
        raise StalledError(
            str(work_dir),
            found="a file" if work_dir.exists() else "no such folder",
            expected="a folder for scratch space",
            remedy="Create it, name another, or drop --work-dir.",
        )


@contextmanager
def progress() -> Iterator[Progress]:
    """Told of every step of the command."""
    if not sys.stderr.isatty():
        yield JsonProgress()
        return
    with RichProgress() as bar:
        yield bar
