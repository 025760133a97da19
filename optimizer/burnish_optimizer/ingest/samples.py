"""Calibration and evaluation sets, read one sample at a time.

A set is
    a folder of `.npz` files, one sample each (in the order of their names), arrays by input name;
    a folder of `.npy` files, one sample each, or such a sub-folder for each input (see `ingest.npy`);
    a folder of pictures with a `preprocess.yaml` that says how they become arrays (see `ingest.preprocess`);
    one stacked `.npz`, whose arrays' first axis counts the samples;
    one `.parquet` file, one sample a row (see `ingest.parquet`);
    a folder that holds exactly one of the last two, as a registry's artifact does.
An input of shape [N, …] may be given with its batch axis ([1, …]) or without it. The array, or
column, `label` holds what is right for each sample, where that is known: the class as an integer, or
integers in the shape of the class scores without their last axis; a text as class numbers padded with
0; boxes as rows of x1, y1, x2, y2, class, padded with class -1 (see docs/accuracy.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from pydantic import Field

from burnish_engine.base import Record
from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import InvalidData
from burnish_runtime.session import Array

LABEL = "label"
# So many are tried where a model is rewritten.
TRIED_SAMPLES = 4
# How pictures become arrays is told by one of these beside them.
DECLARATIONS = ("preprocess.yaml", "preprocess.yml", "preprocess.json")
PICTURES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"},
)
EXPECTED = (
    "a folder of .npz or .npy files, or of pictures with preprocess.yaml; one stacked .npz, or one .parquet"
)


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
    """A set as a worker is told of it: its path, and which samples of it count.

    every: one sample in so many, the first among them; with `others`: all samples but those.
    limit: at most so many of them, the first ones (None: all).
    """

    path: str
    limit: int | None = None
    every: int = Field(default=1, ge=1)
    others: bool = False


@dataclass(frozen=True)
class Chosen:
    """Some samples of a set, in its order."""

    whole: SampleSet
    data: DataSpec

    def __len__(self) -> int:
        total = len(self.whole)
        picked = -(-total // self.data.every)
        count = total - picked if self.data.others else picked
        return min(count, self.data.limit or count)

    def __iter__(self) -> Iterator[Sample]:
        every, others = self.data.every, self.data.others
        chosen = (s for index, s in enumerate(self.whole) if (index % every == 0) is not others)
        return islice(chosen, self.data.limit)


def open_samples(data: DataSpec, inputs: Sequence[TensorSpec]) -> SampleSet:
    """Open a set for a model with these inputs. Nothing but headers is read.

    Raises: InvalidData: no set, an empty one, or one of unknown form.
    """
    found = Chosen(_open(Path(data.path), inputs), data)
    if len(found) == 0:
        raise InvalidData(data.path, found="no samples", expected="at least one", remedy=f"Give {EXPECTED}.")
    return found


def _open(path: Path, inputs: Sequence[TensorSpec]) -> SampleSet:
    from burnish_optimizer.ingest.npz import NpzFolder, StackedNpz, is_stacked  # noqa: PLC0415 - they import us

    if path.is_dir():
        other = _other_folder(path, inputs)
        if other is not None:
            return other
        files = sorted(p for p in path.rglob("*") if p.suffix in (".npz", ".parquet"))
        if len(files) != 1 or (files[0].suffix == ".npz" and not is_stacked(files[0], inputs)):
            return NpzFolder(path, [p for p in files if p.suffix == ".npz"], inputs)
        path = files[0]
    if path.suffix == ".npz":
        return StackedNpz(path, inputs)
    if path.suffix == ".parquet":
        from burnish_optimizer.ingest.parquet import ParquetSet  # noqa: PLC0415 - pyarrow is slow to import

        return ParquetSet(path, inputs)
    raise InvalidData(
        str(path),
        found=f"a file named {path.name!r}",
        expected=EXPECTED,
        remedy="Save samples in one of these forms, or name another file.",
    )


def _other_folder(path: Path, inputs: Sequence[TensorSpec]) -> SampleSet | None:
    """Of `.npy` files, or of pictures; None: of neither.

    Raises: InvalidData: of several forms at once.
    """
    from burnish_optimizer.ingest.npy import SUFFIX, NpyFolder  # noqa: PLC0415 - they import us

    kinds = {p.suffix.lower() for p in path.rglob("*") if p.is_file()}
    is_declared = any((path / name).is_file() for name in DECLARATIONS)
    arrays = sorted(kinds & {".npz", SUFFIX, ".parquet"})
    if len(arrays) + is_declared > 1 and arrays != [".npz", ".parquet"]:
        found = [*arrays, *(["a preprocess file for pictures"] if is_declared else [])]
        raise InvalidData(
            str(path),
            found=" and ".join(found),
            expected="samples of one form",
            remedy="Move the others away.",
        )
    if arrays == [SUFFIX]:
        return NpyFolder(path, inputs)
    if is_declared or (not arrays and kinds & PICTURES):
        from burnish_optimizer.ingest.images import ImageFolder  # noqa: PLC0415 - only pictures need Pillow

        return ImageFolder(path, inputs)
    return None
