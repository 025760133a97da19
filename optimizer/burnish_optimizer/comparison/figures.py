"""Two answers in numbers. Pure: arrays in, figures out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.metrics.distances import cosine
from burnish_runtime.session import Array

# Relative errors of elements that are tiny beside the largest one tell of cancellation, not of a fault.
TINY = 1e-3


@dataclass(frozen=True)
class Figures:
    """One output on one probe. `same`: elements that are equal to the bit; `wrong`: what no bound excuses."""

    elements: int
    same: int
    max_absolute: float = 0.0
    max_relative: float = 0.0
    of_bound: float = 0.0
    cosine: float = 1.0
    agreement: float | None = None
    non_finite: int = 0
    wrong: str = ""


def compare_values(a: Any, b: Any, bound: Array | None) -> Figures:
    """One output of both models.

    Args: bound: how far rounding alone may move each element of `a`; None: nothing is excused.
    """
    said = difference(b, a)
    if said is None:
        count = a.size if isinstance(a, np.ndarray) else 1
        return Figures(elements=count, same=count, agreement=_agreement(a, a))
    if not _comparable(a, b):
        count = a.size if isinstance(a, np.ndarray) else 1
        return Figures(elements=count, same=0, of_bound=np.inf, cosine=0.0, wrong=said)
    return _of_numbers(a, b, bound)


def same_bits(a: Array, b: Array) -> Array:
    """Where two arrays of one type are equal to the bit; any NaN equals any NaN."""
    if a.dtype.kind != "f":
        return np.asarray(a == b)
    bits = np.dtype(f"u{a.dtype.itemsize}")
    equal = np.ascontiguousarray(a).view(bits) == np.ascontiguousarray(b).view(bits)
    return np.asarray(equal.reshape(a.shape) | (np.isnan(a) & np.isnan(b)))


def merged(found: Sequence[Figures]) -> Figures:
    """All probes of one output: the worst of each figure, the sum of each count."""
    rates = [f.agreement for f in found if f.agreement is not None]
    return Figures(
        elements=sum(f.elements for f in found),
        same=sum(f.same for f in found),
        max_absolute=max((f.max_absolute for f in found), default=0.0),
        max_relative=max((f.max_relative for f in found), default=0.0),
        of_bound=max((f.of_bound for f in found), default=0.0),
        cosine=min((f.cosine for f in found), default=1.0),
        agreement=min(rates) if rates else None,
        non_finite=sum(f.non_finite for f in found),
        wrong=next((f.wrong for f in found if f.wrong), ""),
    )


def _comparable(a: Any, b: Any) -> bool:
    arrays = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    return arrays and a.dtype == b.dtype and a.shape == b.shape and a.dtype.kind in "fiub"


def _of_numbers(a: Array, b: Array, bound: Array | None) -> Figures:
    left, right = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(left) & np.isfinite(right)
    same = same_bits(a, b)
    error = np.abs(np.where(finite, left - right, 0.0))
    odd = ~finite & ~same
    allowed = np.zeros(a.shape) if bound is None or a.dtype.kind != "f" else bound
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error > 0, error / allowed, 0.0)
    return Figures(
        elements=a.size,
        same=int(same.sum()),
        max_absolute=float(error.max(initial=0.0)),
        max_relative=_relative(left, error, finite),
        of_bound=float("inf") if odd.any() else float(ratio.max(initial=0.0)),
        cosine=cosine(a, np.where(np.isfinite(right), b, 0)) if a.size else 1.0,
        agreement=_agreement(a, b),
        non_finite=int(odd.sum()),
    )


def _relative(truth: Array, error: Array, finite: Array) -> float:
    scale = np.abs(np.where(finite, truth, 0.0))
    counted = scale > TINY * scale.max(initial=0.0)
    return float(np.max(error[counted] / scale[counted], initial=0.0))


def _agreement(a: Any, b: Any) -> float | None:
    """Share of positions whose arg-max along the last axis is the same."""
    if not isinstance(a, np.ndarray) or a.dtype.kind != "f" or a.ndim == 0 or a.shape[-1] < 2 or not a.size:
        return None
    return float(np.mean(np.argmax(a, axis=-1) == np.argmax(b, axis=-1)))
