"""Samples in NumPy's own archives. Pickled objects are never loaded."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.samples import LABEL, Sample
from burnish_runtime.session import Array

# Of zipfile: NotImplementedError is an unknown compression, RuntimeError an encrypted member.
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError),
    *(OSError, ValueError, EOFError, KeyError),
)


class Header(NamedTuple):
    """What an `.npy` member says before its bytes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: "np.dtype[np.generic]"


class NpzFolder:
    """A folder of `.npz` files, one sample each."""

    def __init__(self, folder: Path, files: Sequence[Path], inputs: Sequence[TensorSpec]) -> None:
        self._folder, self._files, self._inputs = folder, files, {spec.name for spec in inputs}

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Sample]:
        for file in self._files:
            arrays = _load(file)
            label = None if LABEL in self._inputs else arrays.pop(LABEL, None)
            yield Sample(str(file), arrays, label)


class StackedNpz:
    """One `.npz` whose arrays' first axis counts the samples; rows are streamed out of the archive."""

    def __init__(self, path: Path, inputs: Sequence[TensorSpec]) -> None:
        self._path, self._inputs = path, {spec.name for spec in inputs}
        self._headers = read_headers(path)
        self._count = _common_count(path, self._headers)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Sample]:
        with ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(self._path))
            members = {
                name: _Rows(stack.enter_context(archive.open(f"{name}.npy")), self._path, name)
                for name in self._headers
            }
            for index in range(self._count):
                arrays = {name: rows.next() for name, rows in members.items()}
                label = None if LABEL in self._inputs else arrays.pop(LABEL, None)
                yield Sample(f"{self._path}, sample {index}", arrays, label)


class _Rows:
    """The rows of one member, in order. Only Fortran order, where rows are scattered, is read whole."""

    def __init__(self, file: IO[bytes], path: Path, name: str) -> None:
        self._file, self._where, self._index = file, f"{path}, array {name!r}", 0
        self._header = _read_header(file, self._where)
        self._row_shape = self._header.shape[1:]
        self._row_bytes = int(np.prod(self._row_shape, dtype=np.int64)) * self._header.dtype.itemsize
        self._whole = self._read_whole() if self._header.fortran else None

    def next(self) -> Array:
        """The next row."""
        self._index += 1
        if self._whole is not None:
            return np.ascontiguousarray(self._whole[self._index - 1])
        return self._array(self._read(self._row_bytes), self._row_shape)

    def _read_whole(self) -> Array:
        shape = self._header.shape
        data = self._read(int(np.prod(shape, dtype=np.int64)) * self._header.dtype.itemsize)
        return self._array(data, shape[::-1]).transpose()

    def _array(self, data: bytes, shape: tuple[int, ...]) -> Array:
        return np.frombuffer(data, dtype=self._header.dtype).reshape(shape)

    def _read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except BROKEN as error:
            raise _broken(self._where, error) from error
        if len(data) != size:
            raise InvalidData(
                self._where,
                found="a truncated array",
                expected=f"{size} more bytes",
                remedy="Write or copy the file again.",
            )
        return data


def is_stacked(path: Path, inputs: Sequence[TensorSpec]) -> bool:
    """Whether the only file of a folder holds many samples: an array has more than one sample's axes.

    `[k, …]` with k > 1 where the model's own shape begins with a free axis is a stack, too.
    """
    headers = read_headers(path)
    shapes = [(headers[spec.name].shape, spec.shape) for spec in inputs if spec.name in headers]
    return any(
        len(found) > len(wanted)
        or (len(found) == len(wanted) and found[:1] != (1,) and wanted[:1] != found[:1])
        for found, wanted in shapes
    )


def read_headers(path: Path) -> Mapping[str, Header]:
    """Shapes and types of all arrays in an archive, by name.

    Raises: InvalidData: no such archive, or one that holds pickled objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            return {name: _member_header(archive, path, name) for name in names}
    except BROKEN as error:
        raise _broken(str(path), error) from error


def _member_header(archive: zipfile.ZipFile, path: Path, name: str) -> Header:
    with archive.open(f"{name}.npy") as file:
        return _read_header(file, f"{path}, array {name!r}")


def _read_header(file: IO[bytes], where: str) -> Header:
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    header = Header(*reader(file))
    if any(size < 0 for size in header.shape):
        found = f"shape {list(header.shape)}"
        raise InvalidData(where, found=found, expected="sizes of 0 or more", remedy="Write it again.")
    if header.dtype.hasobject:
        raise InvalidData(
            where,
            found="pickled Python objects (never loaded)",
            expected="numbers",
            remedy="Save plain arrays with numpy.savez.",
        )
    return header


def _common_count(path: Path, headers: Mapping[str, Header]) -> int:
    counts = {name: header.shape[0] if header.shape else None for name, header in headers.items()}
    if len(set(counts.values())) > 1 or None in counts.values():
        listed = ", ".join(
            f"{name}: {count if count is not None else 'a scalar'}" for name, count in counts.items()
        )
        raise InvalidData(
            str(path),
            found=f"arrays of {listed} samples",
            expected="the same number along every first axis",
            remedy="Cut them to the same samples, or write one .npz a sample into a folder.",
        )
    return next(iter(counts.values()), 0) or 0


def _load(path: Path) -> dict[str, Array]:
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise _broken(str(path), ValueError("one bare array, as numpy.save writes"))
        with archive:
            return {name: _plain(archive[name], name) for name in archive.files}
    except BROKEN as error:
        raise _broken(str(path), error) from error


def _plain(member: Array | bytes, name: str) -> Array:
    if isinstance(member, np.ndarray):
        return member
    raise ValueError(f"{name!r} is no array")


def _broken(where: str, error: Exception) -> InvalidData:
    # NumPy takes what is no archive for a pickle, and says how to load that unsafely: not our advice.
    told = "it is neither a ZIP archive nor a plain array" if "pickle" in str(error) else str(error)
    return InvalidData(
        where,
        found=f"a file that cannot be read ({told})",
        expected="an .npz of plain arrays",
        remedy="It may be truncated, or hold pickled objects: write it again with numpy.savez.",
    )
