"""Files that appear only when whole, and tar archives that are the same wherever they are made."""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from burnish_engine.errors import IntegrityError


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Write beside `path`, then rename: a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_tar(archive: Path, root: Path, names: Sequence[str]) -> None:
    """Pack files of `root`: sorted, owned by nobody in particular, from no particular time."""
    with atomic_file(archive) as file:
        _pack(file, root, names)


def tar_digest(root: Path, names: Sequence[str]) -> str:
    """The digest of the archive that `write_tar` makes of these files, which is not written."""
    sink = _Hashing()
    _pack(cast("IO[bytes]", sink), root, names)
    return f"sha256:{sink.hasher.hexdigest()}"


class _Hashing:
    """A file that keeps nothing but a digest."""

    def __init__(self) -> None:
        self.hasher, self._size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.hasher.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size


def _pack(file: IO[bytes], root: Path, names: Sequence[str]) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(names):
            info = tarfile.TarInfo(name)
            info.size, info.mode = (root / name).stat().st_size, 0o644
            with (root / name).open("rb") as content:
                tar.addfile(info, content)


def read_tar(archive: Path, folder: Path, subject: str) -> list[str]:
    """Unpack plain files below `folder`; links, devices and paths that lead out are refused.

    Raises: IntegrityError: no tar archive, or one that holds anything but plain files and folders.
    """
    names = []
    try:
        with tarfile.open(archive, mode="r:*") as tar:
            for member in tar:
                if member.isdir():
                    continue
                if not member.isreg():
                    raise _refused(subject, f"{member.name}, which is no plain file")
                _write_member(tar, member, folder, subject)
                names.append(member.name)
    except (tarfile.TarError, EOFError) as error:
        raise _refused(subject, f"an archive that cannot be unpacked ({error})") from error
    return names


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, subject: str) -> None:
    # By hand: the standard library's extraction filters came with Python 3.11.4, and Debian 12 has 3.11.2.
    path = PurePosixPath(member.name)
    content = tar.extractfile(member)
    if path.is_absolute() or ".." in path.parts or content is None:
        raise _refused(subject, f"{member.name}, which leads out of the archive")
    with content, atomic_file(folder / path) as file:
        shutil.copyfileobj(content, file, 1 << 20)


def _refused(subject: str, found: str) -> IntegrityError:
    return IntegrityError(
        subject, found=found, expected="a tar archive of plain files", remedy="Pack the artifact anew."
    )
