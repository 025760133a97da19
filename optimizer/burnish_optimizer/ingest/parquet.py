"""Samples in a Parquet file: one a row, columns by input name, streamed in small batches.

A column holds numbers as (nested) lists, or the raw little-endian bytes of the input's element type
in C order. The shape is, in this order: the column `<name>.shape` (a list of integers) where there
is one; the lists' own nesting; the model's shape, where only its batch axis is free. Numbers are
taken in any width of the input's kind (Parquet and Python forget float32), never across kinds.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as pq

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.samples import LABEL, Sample
from burnish_runtime.dtypes import carrier
from burnish_runtime.session import Array

ROWS_AT_ONCE = 8
SHAPE = ".shape"


class ParquetSet:
    """The rows of one file."""

    def __init__(self, path: Path, inputs: Sequence[TensorSpec]) -> None:
        self._path, self._inputs = path, {spec.name: spec for spec in inputs}
        self._file = _opened(path)

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def __iter__(self) -> Iterator[Sample]:
        index = 0
        try:
            for batch in _opened(self._path).iter_batches(batch_size=ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    yield self._sample(row, f"{self._path}, row {index}")
                    index += 1
        except (pyarrow.ArrowException, OSError) as error:
            raise _broken(self._path, error) from error

    def _sample(self, row: dict[str, Any], where: str) -> Sample:
        names = [
            name for name in row if not name.endswith(SHAPE) and (name != LABEL or LABEL in self._inputs)
        ]
        arrays = {name: self._array(row, name, where) for name in names}
        label = None if LABEL in self._inputs or row.get(LABEL) is None else np.asarray(row[LABEL])
        return Sample(where, arrays, label)

    def _array(self, row: dict[str, Any], name: str, where: str) -> Array:
        value, shape, spec = row[name], row.get(name + SHAPE), self._inputs.get(name)
        try:
            if isinstance(value, bytes):
                dtype = carrier(spec.dtype) if spec else np.dtype(np.uint8)
                array = np.frombuffer(value, dtype=dtype.newbyteorder("<")).astype(dtype)
            else:
                array = _cast(np.asarray(value), spec)
            return array.reshape(shape if shape is not None else _shape_of(array, spec))
        except (ValueError, TypeError) as error:
            raise InvalidData(
                f"{where}, column {name!r}",
                found=str(error),
                expected="numbers as lists or bytes",
                remedy=f"Add a column {name + SHAPE!r} with the shape of each row.",
            ) from error


def _cast(array: Array, spec: TensorSpec | None) -> Array:
    """Another width of the same kind is Parquet's doing; another kind is a mistake, told by the checks."""
    wanted = carrier(spec.dtype) if spec else array.dtype
    same_kind = (array.dtype.kind in "iu" and wanted.kind in "iu") or array.dtype.kind == wanted.kind
    if not same_kind:
        return array
    if wanted.kind in "iu" and array.size:
        limits = np.iinfo(wanted)
        if array.min() < limits.min or array.max() > limits.max:
            raise ValueError(f"numbers from {array.min()} to {array.max()}, which {wanted} cannot hold")
    return array.astype(wanted)


def _shape_of(array: Array, spec: TensorSpec | None) -> tuple[int, ...]:
    inner = spec.shape[1:] if spec else ()
    sizes = [size for size in inner if size is not None]
    fits = len(sizes) == len(inner) and array.size == int(np.prod(sizes, dtype=np.int64))
    return tuple(sizes) if array.ndim == 1 and len(inner) > 1 and fits else array.shape


def _opened(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> InvalidData:
    return InvalidData(
        str(path),
        found=f"a file that cannot be read ({error})",
        expected="a Parquet file",
        remedy="Write it again.",
    )
