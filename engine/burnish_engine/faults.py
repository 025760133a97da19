"""What the machine refuses (a full disk, a missing right) as an error that says what to do."""

import errno

from burnish_engine.errors import BurnishError, StalledError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class DiskFull(StalledError):
    """No space is left where something had to be written."""


class AccessDenied(StalledError):
    """A file or folder that may not be read or written."""


def diagnosed(error: BaseException) -> BurnishError | None:
    """The error behind an exception: itself, what the machine refused, or None: a defect of ours."""
    if isinstance(error, BurnishError):
        return error
    if not isinstance(error, OSError):
        return None
    path = str(error.filename2 or error.filename or "temporary folder")
    if error.errno in _FULL:
        return DiskFull(
            path,
            found="no space left",
            expected="room for what is written there",
            remedy="Free space, or name another folder (-o, --work-dir, --cache, TMPDIR).",
        )
    # `tempfile` says "No usable temporary directory" without a file name.
    if error.errno in _REFUSED or (error.errno == errno.ENOENT and error.filename is None):
        return AccessDenied(
            path,
            found=error.strerror or str(error),
            expected="a place that this user may read and write",
            remedy="Change its permissions, or name another one (-o, --work-dir, --cache, TMPDIR).",
        )
    return None
