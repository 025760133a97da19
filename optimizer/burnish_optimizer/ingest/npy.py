"""Samples as `.npy` files: one file a sample, and for several inputs one sub-folder each.

    set/0001.npy …                                  the model has one input
    set/input_ids/0001.npy …  set/mask/0001.npy …   sub-folders by input name, the same file names in each
    set/label/0001.npy … or set/labels.csv          right classes, where there are any
Pickled objects are never loaded.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.labels import Labels, labels_of
from burnish_optimizer.ingest.samples import LABEL, Sample
from burnish_runtime.session import Array

SUFFIX = ".npy"


class NpyFolder:
    """A folder of arrays, in the order of their names."""

    def __init__(self, folder: Path, inputs: Sequence[TensorSpec]) -> None:
        """Find the files; none is read.

        Raises: InvalidData: files that are not those of the model's inputs.
        """
        self._folder, names = folder, [spec.name for spec in inputs]
        self._folders = _folders(folder, names)
        self._files = _common(self._folders)
        self._labels: Labels = {} if LABEL in self._folders else labels_of(folder, self._files)
        self._has_label = LABEL in self._folders and LABEL not in names

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Sample]:
        for file in self._files:
            arrays = {name: _load(folder / file) for name, folder in self._folders.items()}
            label = arrays.pop(LABEL) if self._has_label else None
            if file in self._labels:
                label = np.asarray(self._labels[file])
            where = self._folder if len(self._folders) > 1 else next(iter(self._folders.values()))
            yield Sample(str(where / file), arrays, label)


def _folders(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Where the files of each input are, and those of the labels."""
    inner = {name: folder / name for name in (*names, LABEL) if _is_inside(folder, folder / name)}
    found = {name: place for name, place in inner.items() if any(place.glob(f"*{SUFFIX}"))}
    if all(name in found for name in names):
        return found
    missing = ", ".join(f"{name}/" for name in names if name not in found)
    if len(names) == 1 and (any(folder.glob(f"*{SUFFIX}")) or not found):
        return {names[0]: folder}
    raise InvalidData(
        str(folder),
        found=f"no {SUFFIX} files in {missing}",
        expected=f"a sub-folder of {SUFFIX} files for each input: {', '.join(names)}",
        remedy="Name the sub-folders after the model's inputs, and the files of one sample alike.",
    )


def _is_inside(folder: Path, place: Path) -> bool:
    """A model's names are not trusted to be names of folders."""
    return "\0" not in str(place) and ".." not in place.parts and place.is_relative_to(folder)


def _common(folders: dict[str, Path]) -> list[str]:
    """Names of the files, which must be the same for every input."""
    first, *others = folders.items()
    files = _names(first[1])
    for name, place in others:
        difference = sorted(set(files) ^ set(_names(place)))
        if difference:
            raise InvalidData(
                str(place),
                found=f"{difference[0]!r} in one of {first[0]!r} and {name!r} alone ({len(difference)} such)",
                expected="the same file names for every input",
            )
    return files


def _names(place: Path) -> list[str]:
    return sorted(p.relative_to(place).as_posix() for p in place.rglob(f"*{SUFFIX}") if p.is_file())


def _load(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidData(
            str(path),
            found=f"a file that cannot be read ({error})",
            expected="one plain array, as numpy.save writes it",
            remedy="It may be truncated, or hold pickled objects: write it again with numpy.save.",
        ) from error
    return array
