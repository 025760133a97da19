"""Calibration and evaluation sets, read one sample at a time.

A set is
    a folder of `.npz` files, one sample each (in the order of their names), arrays by input name;
    one stacked `.npz`, whose arrays' first axis counts the samples;
    one `.parquet` file, one sample a row (see `ingest.parquet`);
    a folder that holds exactly one of the last two, as a registry's artifact does.
An input of shape [N, …] may be given with its batch axis ([1, …]) or without it. The array, or
column, `label` holds the right class of each sample, where there is one: an integer, or integers in
the shape of the class scores without their last axis.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from burnish_engine.base import Record
from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import InvalidData
from burnish_runtime.session import Array

LABEL = "label"
EXPECTED = "a folder of .npz files, one stacked .npz, or one .parquet"


@dataclass(frozen=True)
class Sample:
    """One sample. `where` names it in errors."""

    where: str
    arrays: Mapping[str, Array]
    label: Array | None = None


class SampleSet(Protocol):
    """Samples in a fixed order; iterating again starts again."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Sample]:
        """One after the other: never all in memory."""


class DataSpec(Record):
    """A set as a worker is told of it: its path, and how many samples of it count (None: all)."""

    path: str
    limit: int | None = None


@dataclass(frozen=True)
class Limited:
    """The first samples of a set."""

    whole: SampleSet
    limit: int | None = None

    def __len__(self) -> int:
        return min(len(self.whole), self.limit or len(self.whole))

    def __iter__(self) -> Iterator[Sample]:
        return islice(self.whole, self.limit)


def open_samples(data: DataSpec, inputs: Sequence[TensorSpec]) -> SampleSet:
    """Open a set for a model with these inputs. Nothing but headers is read.

    Raises: InvalidData: no set, an empty one, or one of unknown form.
    """
    found = _open(Path(data.path), inputs)
    if len(found) == 0:
        raise InvalidData(data.path, found="no samples", expected="at least one")
    return Limited(found, data.limit)


def _open(path: Path, inputs: Sequence[TensorSpec]) -> SampleSet:
    from burnish_optimizer.ingest.npz import NpzFolder, StackedNpz, is_stacked  # noqa: PLC0415 - they import us

    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in (".npz", ".parquet"))
        if len(files) != 1 or (files[0].suffix == ".npz" and not is_stacked(files[0], inputs)):
            return NpzFolder(path, [p for p in files if p.suffix == ".npz"], inputs)
        path = files[0]
    if path.suffix == ".npz":
        return StackedNpz(path, inputs)
    if path.suffix == ".parquet":
        from burnish_optimizer.ingest.parquet import ParquetSet  # noqa: PLC0415 - pyarrow is slow to import

        return ParquetSet(path, inputs)
    raise InvalidData(str(path), found=f"a file named {path.name!r}", expected=EXPECTED)
