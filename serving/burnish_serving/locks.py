"""Locks between processes: the kernel lets go of them when their holder dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self


class FileLock:
    """A lock on a file, which is made where it is not there. Held until `release`.

    The file stays: it is empty, and whoever waits for it waits for that very file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)

    def share(self) -> None:
        """Wait until nobody holds it alone, and hold it with others."""
        fcntl.flock(self._open(), fcntl.LOCK_SH)

    def take(self) -> None:
        """Wait until nobody else holds it, and hold it alone."""
        fcntl.flock(self._open(), fcntl.LOCK_EX)

    def try_take(self) -> bool:
        """Hold it alone, unless somebody else holds it now."""
        try:
            fcntl.flock(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def touch(self) -> None:
        """Let the file's time be now."""
        os.utime(self._open())

    def release(self) -> None:
        """Let go. More than once is fine."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        if self._handle is None:
            raise ValueError(f"{self.path}: the lock was released")
        return self._handle


@contextmanager
def taken(path: Path) -> Iterator[FileLock]:
    """Hold a lock alone."""
    with FileLock(path) as lock:
        lock.take()
        yield lock


@contextmanager
def shared(path: Path) -> Iterator[FileLock]:
    """Hold a lock with others."""
    with FileLock(path) as lock:
        lock.share()
        yield lock
