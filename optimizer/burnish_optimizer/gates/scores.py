"""One sample's answers beside the reference's, in numbers. Pure.

The class scores are the first floating-point output whose last axis is longer than 1; a sample's
arg-max is taken along that axis, at every position of the other axes (one position for [1, C]).
"""

from collections.abc import Sequence

import numpy as np

from burnish_optimizer.tasks import SampleScore
from burnish_runtime.session import Array


def score_sample(expected: Sequence[Array], found: Sequence[Array], label: Array | None) -> SampleScore:
    """Compare outputs (in the same order) with the reference's, and with the label where there is one."""
    if any(e.shape != f.shape for e, f in zip(expected, found, strict=True)):
        return SampleScore(finite=False, shapes=False, cosine=0.0, agreement=0.0, max_error=float("inf"))
    position = class_scores(expected)
    reference_best = None if position is None else _best(expected[position])
    best = None if position is None else _best(found[position])
    return SampleScore(
        finite=all(map(_finite_where, expected, found)),
        shapes=True,
        cosine=min(map(cosine, expected, found), default=1.0),
        agreement=None if best is None or reference_best is None else float(np.mean(best == reference_best)),
        max_error=max(map(max_error, expected, found), default=0.0),
        correct=_correct(best, label),
        reference_correct=_correct(reference_best, label),
    )


def class_scores(outputs: Sequence[Array]) -> int | None:
    """Which output holds the class scores, None where there is none."""
    return next(
        (i for i, a in enumerate(outputs) if a.dtype.kind == "f" and a.ndim > 0 and a.shape[-1] > 1), None
    )


def cosine(expected: Array, found: Array) -> float:
    """Cosine similarity of two arrays as vectors; 1 where both are zero, equality for texts.

    Where the reference has no number nothing is compared; NaN or infinity elsewhere counts as 0 (and
    fails the finite gate).
    """
    if expected.dtype.kind not in "fiub":
        return float(np.array_equal(expected, found))
    a, b = (_unit_scale(np.where(np.isfinite(expected), x, 0)) for x in (expected, found))
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norms == 0.0:
        return float(not a.any() and not b.any())
    return float(np.clip(np.dot(a, b) / norms, -1.0, 1.0))


def _unit_scale(values: Array) -> Array:
    """Finite doubles within ±1: squares of large numbers would overflow."""
    wide = np.where(np.isfinite(values), values, 0).astype(np.float64).ravel()
    largest = np.max(np.abs(wide), initial=0.0)
    return wide / largest if largest else wide


def _best(scores: Array) -> Array:
    best: Array = np.argmax(scores, axis=-1)
    return best


def _correct(best: Array | None, label: Array | None) -> float | None:
    if best is None or label is None or label.size != best.size:
        return None
    return float(np.mean(best.ravel() == label.ravel()))


def _finite_where(expected: Array, found: Array) -> bool:
    """Numbers where the reference has numbers. One that has none (all NaN) is no judge of anything."""
    if expected.dtype.kind != "f" or not expected.size:
        return True
    if np.isnan(expected).all():
        return False
    return bool(np.all(np.isfinite(found) | ~np.isfinite(expected)))


def max_error(expected: Array, found: Array) -> float:
    """Largest |found - expected| where the reference has a number; infinite where only it has one."""
    if expected.dtype.kind not in "fiub" or not expected.size:
        return 0.0
    counted = np.isfinite(expected)
    error = np.abs(found[counted].astype(np.float64) - expected[counted].astype(np.float64))
    return float(np.max(np.where(np.isnan(error), np.inf, error), initial=0.0))
