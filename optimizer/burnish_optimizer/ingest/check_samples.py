"""Does every sample fit the model? Found before it costs time; errors name the sample."""

from collections.abc import Sequence

import numpy as np

from burnish_engine.descriptor import TensorSpec
from burnish_engine.metric import Labels
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.samples import LABEL, Sample, SampleSet
from burnish_runtime.check import format_shape
from burnish_runtime.dtypes import carrier
from burnish_runtime.session import Array


def check_samples(samples: SampleSet, inputs: Sequence[TensorSpec], *, labels: Labels = Labels.NONE) -> int:
    """Check all samples, one at a time. Returns how many there are.

    Raises: InvalidData: names, element types, ranks, fixed sizes, NaN, infinity, or a missing label.
    """
    count = 0
    for sample in samples:
        check_sample(sample, inputs)
        if labels in _LABEL_FORMS:
            _check_label(sample, labels)
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
            remedy="Prepare samples as for the model itself, or leave out those that do not fit it.",
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


_LABEL_FORMS = {
    Labels.CLASSES: "integers: the class of each position, or a text's classes",
    Labels.BOXES: "rows of five numbers: x1, y1, x2, y2, class",
}


def _check_label(sample: Sample, labels: Labels) -> None:
    label = sample.label
    if label is not None and _has_form(label, labels):
        return
    found = "no label" if label is None else f"labels of type {label.dtype} and shape {list(label.shape)}"
    raise InvalidData(
        sample.where,
        found=found,
        expected=f"{LABEL!r} with {_LABEL_FORMS[labels]}",
        remedy=f"Add the array or column {LABEL!r}, or judge by a metric without labels, such as agreement.",
    )


def _has_form(label: Array, labels: Labels) -> bool:
    if labels is Labels.BOXES:
        return label.dtype.kind in "iuf" and label.shape[-1:] == (5,) and bool(np.isfinite(label).all())
    return label.dtype.kind in "iu"
