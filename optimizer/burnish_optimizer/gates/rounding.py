"""Judges one output of a rounding pass: no further from FP64 than rounding explains, or than the original is.

Each element holds where it is within the bound derived from the operands (`Truth.error`), or about as near to
the truth as the original is. All together hold where their errors, each in units of its own bound, are not
systematic: a root mean square of a quarter is one standard deviation of random rounding.
"""

from dataclasses import dataclass

import numpy as np

from burnish_optimizer.reference.fp64 import Truth
from burnish_optimizer.reference.fp64_signs import RUNS
from burnish_optimizer.reference.fp64_values import is_float, smallest_normal, store, unit_roundoff, widen
from burnish_runtime.session import Array

# "About as near": two correct evaluations of the same thing rarely differ by more.
NO_WORSE = 2.0
# Of RMS: SAFETY deviations make a bound, so one of them is a quarter of it.
SYSTEMATIC = 0.25
# The bound of an element is an estimate from RUNS runs: for 1 of 1,500 it is 3 times too small (chi-squared
# with 8 degrees of freedom). That many of many elements may be beyond it by that much.
ESTIMATE_FRACTION, ESTIMATE_FACTOR = 1 / 1500, 3.0
# What counts as the same number where FP64 has none: 16 roundings.
SAME = 16


@dataclass(frozen=True)
class _Sides:
    """Both answers and the truth in FP64; `allowed` is the bound, never below what flushing to 0 takes."""

    found: Array
    source: Array
    truth: Truth
    allowed: Array

    @property
    def known(self) -> Array:
        """Where FP64 has something to say: not where the type overflows on the way."""
        return np.asarray(np.isfinite(self.allowed))


def disagreement(found: Array, source: Array, truth: Truth) -> str | None:
    """Why `found` is not what `source` was meant to be; None where it holds.

    Args:
        found, source: one output of the rewritten and of the original region, on the same inputs; bfloat16
            also as raw uint16.
        truth: the original region in FP64 on those inputs.
    """
    if found.dtype != source.dtype or found.shape != source.shape:
        return f"{found.dtype}{list(found.shape)} in the place of {source.dtype}{list(source.shape)}"
    if source.shape != truth.value.shape:
        return f"FP64 gives the shape {list(truth.value.shape)}, the original {list(source.shape)}"
    if not is_float(truth.dtype):
        wrong = int(np.count_nonzero(found != source))
        return f"{wrong} of {found.size} elements differ, where nothing is rounded" if wrong else None
    allowed = np.maximum(truth.error, smallest_normal(truth.dtype))
    sides = _Sides(widen(found, truth.dtype), widen(source, truth.dtype), truth, allowed)
    with np.errstate(all="ignore"):
        return _not_finite(sides) or _beyond(sides)


def no_worse(found: Array, source: Array, exact: Array) -> bool:
    """Whether the largest error of `found` is about that of the original. Args: exact: in FP64.

    For answers of whole models: their elements share the errors on the way (all classes of a softmax do), so
    that the bound of single ones, estimated from a few runs, may be too small for many at once.
    """
    if (
        found.dtype != source.dtype
        or found.dtype.kind != "f"
        or not (found.shape == source.shape == exact.shape)
    ):
        return False
    with np.errstate(all="ignore"):  # (Inf - Inf is no number, and no error)
        error, own = (np.abs(side.astype(np.float64) - exact) for side in (found, source))
    return bool(
        np.isfinite(error).all() and np.max(error, initial=0.0) <= NO_WORSE * np.max(own, initial=0.0)
    )


def _not_finite(sides: _Sides) -> str | None:
    """NaN and Inf stay what they are, and appear nowhere else, but for where the original overflows, too."""
    found, source, exact = sides.found, sides.source, sides.truth.value
    held = store(exact, sides.truth.dtype)
    near = np.abs(found - exact) <= sides.allowed
    as_source = np.isfinite(source) & (np.abs(found - source) <= SAME * _u(sides) * np.abs(source))
    same = (found == held) | (found == source) | (np.isnan(found) & (np.isnan(held) | np.isnan(source)))
    odd = ~np.isfinite(held) | ~np.isfinite(source)
    # A fused kernel may avoid an overflow: right where FP64 is finite. A kernel that takes NaN for a number
    # may go on to do so.
    either = near | same | as_source | (np.isnan(held) & ~np.isfinite(found))
    lost = ~np.isfinite(found) & (not sides.truth.overflown)
    broken = np.where(odd, ~either, lost) & sides.known
    count = int(np.count_nonzero(broken))
    if not count:
        return None
    at = int(np.argmax(broken))
    values = (found.flat[at], exact.flat[at], source.flat[at])
    return "{} of {} elements: found {:.4g} where FP64 gives {:.4g} and the original {:.4g}".format(
        count, found.size, *values
    )


def _u(sides: _Sides) -> float:
    return unit_roundoff(sides.truth.dtype)


def _beyond(sides: _Sides) -> str | None:
    """Elements beyond their bound, or all of them off in a way that rounding is not."""
    exact = sides.truth.value
    finite = np.isfinite(sides.source) & np.isfinite(sides.found)  # the others are judged already
    judged = sides.known & finite & np.isfinite(store(exact, sides.truth.dtype))
    if not judged.any():
        return None
    error, own = (np.abs(side - exact)[judged] for side in (sides.found, sides.source))
    allowed = sides.allowed[judged]
    limit = np.maximum(allowed, NO_WORSE * own)
    beyond = error > limit
    excused = beyond.sum() <= ESTIMATE_FRACTION * error.size and np.all(error <= ESTIMATE_FACTOR * limit)
    if beyond.any() and not excused:
        at = int(np.argmax(error / limit))
        return (
            f"{int(beyond.sum())} of {error.size} elements beyond the bound, the worst off by "
            f"{error[at]:.3g} from FP64 ({exact[judged][at]:.4g}), the original by {own[at]:.3g}, "
            f"bound {allowed[at]:.3g}"
        )
    return _systematic(error / allowed, own / allowed)


def _systematic(error: Array, own: Array) -> str | None:
    """Root mean squares, in units of the bound. Few elements scatter: the floor rises with 1/√n."""
    floor = SYSTEMATIC * (1 + 3 / np.sqrt(error.size))
    figures = [float(np.sqrt(np.mean(np.square(e)))) for e in (error, own)]
    limit = max(NO_WORSE * figures[1], floor)
    if figures[0] <= limit:
        return None
    return (
        f"errors are systematic: {figures[0]:.3g} of the bound in the mean square over {error.size} "
        f"elements, the original's {figures[1]:.3g}, limit {limit:.3g} ({RUNS} perturbed FP64 runs)"
    )
