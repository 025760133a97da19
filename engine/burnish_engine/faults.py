"""What the machine refuses (a full disk, a missing right) as an error that says what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from burnish_engine.errors import BurnishError, StalledError

_NO_SPACE = "No space left on device"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class DiskFull(StalledError):
    """No space is left where something had to be written."""


class AccessDenied(StalledError):
    """A file or folder that may not be read or written."""


def disk_full(place: str) -> DiskFull:
    """The error of a place that has no room left."""
    return DiskFull(
        place,
        found="no space left",
        expected="room for what is written there",
        remedy="Free space, or name another folder (-o, --work-dir, --cache, TMPDIR).",
    )


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk is behind an exception, as the system or a library tells it."""
    if error is None:
        return False
    own = (isinstance(error, OSError) and error.errno in _FULL) or _NO_SPACE in str(error)
    return own or is_full(error.__cause__ or error.__context__)


@contextmanager
def written_to(place: Path) -> Iterator[None]:
    """Name the place in errors of a full disk: writing to a file that is open does not tell where it is."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            raise disk_full(str(place)) from error
        raise


def diagnosed(error: BaseException) -> BurnishError | None:
    """The error behind an exception: itself, what the machine refused, or None: a defect of ours."""
    if isinstance(error, BurnishError):
        return error
    if not isinstance(error, OSError):
        return None
    path = str(error.filename2 or error.filename or "temporary folder")
    if error.errno in _FULL:
        return disk_full(path)
    # `tempfile` says "No usable temporary directory" without a file name.
    if error.errno in _REFUSED or (error.errno == errno.ENOENT and error.filename is None):
        return AccessDenied(
            path,
            found=error.strerror or str(error),
            expected="a place that this user may read and write",
            remedy="Change its permissions, or name another one (-o, --work-dir, --cache, TMPDIR).",
        )
    return None
