"""Does every sample fit the model? Found before it costs time; errors name the sample."""

from collections.abc import Sequence

import numpy as np

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.samples import LABEL, Sample, SampleSet
from burnish_runtime.check import format_shape
from burnish_runtime.dtypes import carrier
from burnish_runtime.session import Array


def check_samples(samples: SampleSet, inputs: Sequence[TensorSpec], *, labelled: bool = False) -> int:
    """Check all samples, one at a time. Returns how many there are.

    Raises: InvalidData: names, element types, ranks, fixed sizes, NaN, infinity, or a missing label.
    """
    count = 0
    for sample in samples:
        check_sample(sample, inputs)
        if labelled:
            _check_label(sample)
        count += 1
    return count


def check_sample(sample: Sample, inputs: Sequence[TensorSpec]) -> None:
    """Check one sample against the model's inputs.

    Raises: InvalidData.
    """
    expected = [spec.name for spec in inputs]
    if set(sample.arrays) != set(expected):
        raise InvalidData(
            sample.where,
            found=f"arrays {', '.join(sorted(sample.arrays)) or 'none'}",
            expected=f"{', '.join(expected)} (and {LABEL!r} where there are labels)",
            remedy="Name the arrays after the model's inputs.",
        )
    for spec in inputs:
        _check_array(f"{sample.where}, {spec.name!r}", sample.arrays[spec.name], spec)


def fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    """Whether a shape has the wanted rank and fixed sizes."""
    return len(shape) == len(wanted) and all(w is None or w == s for s, w in zip(shape, wanted, strict=True))


def _check_array(where: str, array: Array, spec: TensorSpec) -> None:
    dtype = carrier(spec.dtype)
    is_text = dtype.hasobject and array.dtype.kind == "U"
    if array.dtype != dtype and not is_text:
        raise InvalidData(
            where,
            found=f"element type {array.dtype}",
            expected=spec.dtype,
            remedy=f"Convert the array: array.astype({spec.dtype!r}).",
        )
    without_batch = spec.shape[1:]
    batch_is_free = bool(spec.shape) and spec.shape[0] in (None, 1)
    if not (fits(array.shape, spec.shape) or (batch_is_free and fits(array.shape, without_batch))):
        raise InvalidData(
            where,
            found=f"shape {format_shape(array.shape)}",
            expected=f"{format_shape(spec.shape)}"
            + (f", or {format_shape(without_batch)} without its batch axis" if batch_is_free else ""),
        )
    _check_finite(where, array)


def _check_finite(where: str, array: Array) -> None:
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    nans, infinities = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    raise InvalidData(
        where,
        found=f"{nans} NaN and {infinities} infinite values among {array.size}",
        expected="finite numbers",
        remedy="Correct the preprocessing that made this sample, or leave the sample out.",
    )


def _check_label(sample: Sample) -> None:
    if sample.label is None or sample.label.dtype.kind not in "iu":
        found = "no label" if sample.label is None else f"labels of type {sample.label.dtype}"
        raise InvalidData(
            sample.where,
            found=found,
            expected=f"integers in {LABEL!r}: metric accuracy compares with them",
            remedy=f"Add the array or column {LABEL!r}, or judge by agreement or cosine.",
        )
