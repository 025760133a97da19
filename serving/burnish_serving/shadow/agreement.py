"""How much two answers agree, from 0 to 1. Pure.

The optimizer's metrics judge engines; these are the ones of them that need no labels.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

import numpy as np

from burnish_engine.request import Metric
from burnish_runtime.session import Array


class ShadowMetric(StrEnum):
    """top-1: rows whose largest entry is the same one.   cosine: of each output as one vector, the worst.
    max-abs: 1 less the largest distance over the largest value, the worst of the outputs.
    Outputs that are no floating-point numbers count by the share of equal entries, whatever the metric.
    """

    TOP_1 = "top-1"
    COSINE = "cosine"
    MAX_ABS = "max-abs"


_CLASSES = frozenset({Metric.AGREEMENT, Metric.ACCURACY, Metric.F1})


def metric_for(judged_by: str) -> ShadowMetric:
    """The metric nearest to the one that the engine was judged by."""
    return ShadowMetric.TOP_1 if judged_by in _CLASSES else ShadowMetric.COSINE


def agreement(metric: ShadowMetric, ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> float:
    """How much two answers agree; 0 where outputs, shapes, or places of what is no number differ."""
    if ours.keys() != theirs.keys() or any(ours[name].shape != theirs[name].shape for name in ours):
        return 0.0
    return min((_output(metric, ours[name], theirs[name]) for name in ours if ours[name].size), default=1.0)


def _output(metric: ShadowMetric, ours: Array, theirs: Array) -> float:
    if ours.dtype.kind != "f" or theirs.dtype.kind != "f":
        return float(np.mean(ours == theirs))
    one, other = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(other)
    if not np.array_equal(finite, np.isfinite(one)):
        return 0.0
    if not finite.all():
        one, other = np.where(finite, one, 0.0), np.where(finite, other, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):  # what is beyond all numbers does not agree
        return _MEASURES[metric](one, other)


def _top_1(one: Array, other: Array) -> float:
    if one.ndim == 0 or one.shape[-1] < 2:
        return _max_abs(one, other)
    return float(np.mean(one.argmax(axis=-1) == other.argmax(axis=-1)))


def _cosine(one: Array, other: Array) -> float:
    if np.array_equal(one, other):
        return 1.0
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    cosine = float(np.dot(one.reshape(-1), other.reshape(-1))) / lengths if lengths else 0.0
    return min(1.0, max(0.0, cosine)) if np.isfinite(cosine) else 0.0


def _max_abs(one: Array, other: Array) -> float:
    distance, scale = float(np.max(np.abs(one - other))), float(np.max(np.abs(other)))
    if distance == 0.0:
        return 1.0
    return max(0.0, 1.0 - distance / scale) if scale else 0.0


_MEASURES: Mapping[ShadowMetric, Callable[[Array, Array], float]] = {
    ShadowMetric.TOP_1: _top_1,
    ShadowMetric.COSINE: _cosine,
    ShadowMetric.MAX_ABS: _max_abs,
}
