"""Samples where the user gave none: enough to compare answers and take times, never to calibrate."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.samples import DataSpec
from burnish_runtime.check import format_shape
from burnish_runtime.dtypes import BFLOAT16, carrier
from burnish_runtime.session import Array

COUNT = 16
SEED = 20_240_229


def write_synthetic(folder: Path, inputs: Sequence[TensorSpec]) -> DataSpec:
    """Write seeded samples: normal numbers, integers 0 and 1 (legal for masks and small vocabularies).

    Raises: InvalidData: the model has a free axis beside the batch, whose size only data can tell.
    """
    for spec in inputs:
        if None in spec.shape[1:] or spec.dtype in (BFLOAT16, "object"):
            raise InvalidData(
                f"input {spec.name!r}",
                found=f"{spec.dtype}{format_shape(spec.shape)} and no samples",
                expected="an evaluation or calibration set, which tells sizes and values",
                remedy="Give --evaluation or --calibration.",
            )
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(SEED)
    for index in range(COUNT):
        arrays = {spec.name: _array(generator, spec) for spec in inputs}
        np.savez(folder / f"{index:04d}.npz", **arrays)  # type: ignore[arg-type]
    return DataSpec(path=str(folder))


def _array(generator: np.random.Generator, spec: TensorSpec) -> Array:
    shape = tuple(size or 1 for size in spec.shape)
    dtype = carrier(spec.dtype)
    if dtype.kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    return generator.integers(0, 2, shape).astype(dtype)
