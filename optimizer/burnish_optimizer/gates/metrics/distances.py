"""Metrics that compare numbers with numbers: cosine, signal over noise, the largest error. Pure."""

from collections.abc import Sequence

import numpy as np

from burnish_optimizer.gates.metrics.measure import Case, Figures, Measure, Sides, Statistic, mean
from burnish_runtime.session import Array

# What FP32 itself can tell: 24 bits of significand, 6.02 dB each. Equal answers have this, not infinity.
SQNR_CEILING_DB = 144.5
# Wilks 1941: that fewer than 95 % of all answers stay below the largest of n errors has probability 0.95^n,
# which is below 5 % from n = 59 on.
MAX_ERROR_SAMPLES = 59
FACTOR_VALUES = 12


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


def max_error(expected: Array, found: Array) -> float:
    """Largest |found - expected| where the reference has a number; infinite where only it has one."""
    if expected.dtype.kind not in "fiub" or not expected.size:
        return 0.0
    counted = np.isfinite(expected)
    error = np.abs(found[counted].astype(np.float64) - expected[counted].astype(np.float64))
    return float(np.max(np.where(np.isnan(error), np.inf, error), initial=0.0))


def answers_noise(expected: Sequence[Array], found: Sequence[Array]) -> float:
    """Largest error of one output over some rows, beyond what one common factor explains.

    A model whose answers grow with what else is in the batch is off by a factor on each row alone; that is
    no noise, and must not excuse the difference. Of few values a factor explains too much: all errors count.
    """
    if any(e.shape != f.shape for e, f in zip(expected, found, strict=True)):
        return float("inf")
    wanted, own = (np.concatenate([a.ravel() for a in side]) for side in (expected, found))
    plain = max_error(wanted, own)
    if wanted.dtype.kind != "f" or wanted.size < FACTOR_VALUES or not np.isfinite(plain):
        return plain
    wanted, own = (side[np.isfinite(wanted)].astype(np.float64) for side in (wanted, own))
    factor = np.dot(own, wanted) / max(float(np.dot(wanted, wanted)), 1e-300)
    return min(plain, max_error(factor * wanted, own))


def energies(expected: Array, found: Array) -> tuple[float, float]:
    """Signal Σ expected² and noise Σ (found - expected)²; counts of values and of other values for the rest.

    Where the reference has no number nothing is compared. Beyond the range of float64 both are its largest.
    """
    if expected.dtype.kind != "f":
        return float(expected.size), float(np.sum(expected != found))
    counted = np.isfinite(expected)
    wanted = expected[counted].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        noise = np.square(found[counted].astype(np.float64) - wanted).sum()
        signal = np.square(wanted).sum()
    largest = float(np.finfo(np.float64).max)
    told = np.nan_to_num([signal, noise], nan=largest, posinf=largest)
    return float(told[0]), float(told[1])


def worst_cosine(case: Case) -> Sides:
    """Of the output that agrees least: (cosine,)."""
    return Sides((min(map(cosine, case.expected, case.found), default=1.0),), (1.0,))


def largest_error(case: Case) -> Sides:
    """Of any output: (error,)."""
    return Sides((max(map(max_error, case.expected, case.found), default=0.0),), (0.0,))


def all_energies(case: Case) -> Sides:
    """Signal and noise of every output, one after the other."""
    told = [energies(e, f) for e, f in zip(case.expected, case.found, strict=True)]
    return Sides(
        tuple(number for pair in told for number in pair),
        tuple(number for signal, _ in told for number in (signal, 0.0)),
    )


def sqnr(figures: Sequence[Figures]) -> Statistic:
    """10 log10(Σ signal / Σ noise) in dB over all samples, of the noisiest output, with a ceiling."""
    parts = np.array(figures, np.float64).reshape(len(figures), -1, 2)
    parts = parts / np.maximum(parts.max(axis=0, keepdims=True), 1e-300).max(axis=-1, keepdims=True)

    def drawn(draws: Array) -> Array:
        signal, noise = (np.tensordot(draws, parts[:, :, side], axes=(-1, 0)) for side in (0, 1))
        floor = signal * 10 ** (-SQNR_CEILING_DB / 10)
        decibels = 10 * np.log10(np.maximum(signal, 1e-30) / np.maximum(np.maximum(noise, floor), 1e-300))
        return np.asarray(np.min(np.minimum(decibels, SQNR_CEILING_DB), axis=-1, initial=SQNR_CEILING_DB))

    return drawn


def largest(figures: Sequence[Figures]) -> Statistic:
    """The largest figure of the samples that were drawn."""
    values = np.array([figure[0] for figure in figures], np.float64)
    return lambda draws: np.asarray(np.where(draws > 0, values, -np.inf).max(axis=-1))


def _unit_scale(values: Array) -> Array:
    """Finite doubles within ±1: squares of large numbers would overflow."""
    wide = np.where(np.isfinite(values), values, 0).astype(np.float64).ravel()
    top = np.max(np.abs(wide), initial=0.0)
    return wide / top if top else wide


COSINE = Measure(worst_cosine, mean)
SQNR = Measure(all_energies, sqnr)
MAX_ERROR = Measure(largest_error, largest, least_samples=MAX_ERROR_SAMPLES)
