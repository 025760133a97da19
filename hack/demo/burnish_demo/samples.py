"""Data sets as files: arrays by input name, the first axis counts samples; the same bytes every time."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from burnish_engine.oci.files import atomic_file

Array = npt.NDArray[Any]
Samples = dict[str, Array]
LABEL = "label"
# The oldest time that a zip archive can hold: the clock must not change a digest.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def stack(items: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """[...] each, to [N, ...]."""
    return np.stack(items).astype(np.float32, copy=False)


def write(path: Path, samples: Mapping[str, Array]) -> None:
    """One `.npz`, deflated; equal arrays give equal bytes."""
    with (
        atomic_file(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name in sorted(samples):
            buffer = io.BytesIO()
            np.save(buffer, samples[name], allow_pickle=False)
            archive.writestr(_entry(f"{name}.npy"), buffer.getvalue())


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def read(path: Path) -> Samples:
    """The arrays of an `.npz`, by name."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def count(samples: Mapping[str, Array]) -> int:
    """How many samples: the length of the first axis."""
    return len(next(iter(samples.values())))


def inputs_at(samples: Mapping[str, Array], index: int) -> Samples:
    """One sample's inputs, as a batch of one: [1, ...] each, without its label."""
    return {name: array[index : index + 1] for name, array in samples.items() if name != LABEL}
