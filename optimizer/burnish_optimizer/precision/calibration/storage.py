"""A calibration in a file: plain arrays in an `.npz`, written whole or not at all."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.npz import BROKEN
from burnish_optimizer.precision.calibration.channels import ChannelRange
from burnish_optimizer.precision.calibration.histogram import BINS, Histogram
from burnish_runtime.session import Array

# Raised with every change of the arrays below.
VERSION = 1
Read = tuple[dict[str, Histogram], dict[str, ChannelRange], int]


def save(
    path: Path, histograms: Mapping[str, Histogram], channels: Mapping[str, ChannelRange], samples: int
) -> None:
    """Write `path`, which other processes may read or write at the same time: the last one wins, whole."""
    seen = list(histograms.values())
    arrays: dict[str, Array] = {
        "about": np.array([VERSION, samples], dtype=np.int64),
        "names": np.array(list(histograms), dtype=np.str_),
        "facts": np.array(
            [(h.exponent, h.first, h.zeros, h.nans, h.infinities) for h in seen], dtype=np.int64
        ).reshape(len(seen), 5),
        "extremes": np.array([(h.low, h.high) for h in seen], dtype=np.float64).reshape(len(seen), 2),
        "counts": np.array([h.counts for h in seen], dtype=np.int64).reshape(len(seen), BINS),
        "channel_names": np.array(list(channels), dtype=np.str_),
        "channel_axes": np.array([c.axis for c in channels.values()], dtype=np.int64),
    }
    for index, found in enumerate(channels.values()):
        arrays[f"channel_{index}"] = np.stack([found.low, found.high])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    Path(file.name).replace(path)


def load(path: Path) -> Read:
    """Histograms, channel extremes and the number of samples.

    Raises: InvalidData.
    """
    try:
        # Opened here: NumPy leaves what it cannot read open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            version, samples = file["about"].tolist()
            found = (_histograms(file), _channels(file), samples) if version == VERSION else None
    except (*BROKEN, TypeError, IndexError) as error:
        raise _unreadable(path, f"a file that cannot be read ({error})") from error
    if found is None:
        raise _unreadable(path, f"version {version}")
    return found


def _unreadable(path: Path, found: str) -> InvalidData:
    return InvalidData(
        str(path),
        found=found,
        expected=f"a calibration, version {VERSION}",
        remedy="Remove it: it is made again.",
    )


def _histograms(file: Mapping[str, Array]) -> dict[str, Histogram]:
    names, facts, extremes = (file[name].tolist() for name in ("names", "facts", "extremes"))
    rows = zip(names, facts, extremes, file["counts"], strict=True)
    return {
        name: Histogram(exponent, first, counts, low, high, zeros, nans, infinities)
        for name, (exponent, first, zeros, nans, infinities), (low, high), counts in rows
    }


def _channels(file: Mapping[str, Array]) -> dict[str, ChannelRange]:
    named = zip(file["channel_names"].tolist(), file["channel_axes"].tolist(), strict=True)
    return {name: ChannelRange(name, axis, *file[f"channel_{i}"]) for i, (name, axis) in enumerate(named)}
