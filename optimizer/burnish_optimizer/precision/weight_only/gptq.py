"""GPTQ: weights are rounded one input at a time, and those not yet rounded make up for the error.

What is kept small is the error of the layer's output on calibration data, tr(E·H·Eᵀ) with H = XᵀX/rows and
E the error of the weights.
Source: Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ", 2022, algorithm 1 (Cholesky factor of the inverse,
lazy batches of updates, damping; inputs that were never active round by themselves).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish_optimizer.precision.weight_only.grid import Codes, Floats, Grid, fit
from burnish_optimizer.precision.weight_only.rtn import rtn

Doubles = NDArray[np.float64]
# Share of the mean diagonal that is added to it: the paper's, then more where H is not positive definite.
DAMPING = (0.01, 0.1, 1.0)
BATCH = 128


@dataclass(frozen=True)
class _Work:
    """What one run holds, inputs first: weights that change, the factor [K, K], grids, codes.

    weights, codes: [K, N].   scales, zeros: [blocks, N].
    """

    weights: Doubles
    factor: Doubles
    scales: Floats
    zeros: NDArray[np.uint8]
    codes: NDArray[np.uint8]


@dataclass(frozen=True)
class Inputs:
    """What is known of a layer's inputs. moments: H [K, K].   order: in which they are taken.

    factor: upper U [K, K] with UᵀU = (H + damping)⁻¹, in that order; None: no damping makes that positive
    definite.   ordered: whether the most active come first (act-order).
    """

    moments: Doubles
    order: NDArray[np.intp]
    factor: Doubles | None
    ordered: bool = False


def inputs_of(hessian: NDArray[np.floating], *, ordered: bool = False) -> Inputs:
    """Prepare second moments [K, K], which must be finite, for all the rows that meet these inputs."""
    moments = np.asarray(hessian, np.float64)
    order = np.argsort(-np.diag(moments), kind="stable") if ordered else np.arange(len(moments))
    return Inputs(moments, order, _factor(moments[np.ix_(order, order)]), ordered)


def gptq(rows: Floats, inputs: Inputs, grid: Grid) -> Codes:
    """Quantize rows [N, K]. With act-order grids are fitted before any weight moved.

    No output's error on these inputs is larger than with rounding to nearest: where it would be, that is
    taken.
    """
    plain = rtn(rows, grid)
    if inputs.factor is None:
        return plain
    fixed = plain if inputs.ordered else None
    found = _rounded(np.asarray(rows, np.float64), inputs.factor, inputs.order, grid, fixed)
    off, plainly_off = (output_error(rows, codes, inputs.moments, grid) for codes in (found, plain))
    return found.where(off < plainly_off, plain)


def output_error(rows: Floats, codes: Codes, moments: Doubles, grid: Grid) -> Doubles:
    """Mean squared error of each output on the inputs with these moments: [N]."""
    errors = codes.dequantized(grid).astype(np.float64) - rows
    total: Doubles = ((errors @ moments) * errors).sum(1)
    return total


def _factor(hessian: Doubles) -> Doubles | None:
    active = np.diag(hessian) > 0
    for share in DAMPING if active.any() else ():
        damped = hessian + np.diag(np.where(active, share * np.diag(hessian)[active].mean(), 1.0))
        try:
            return np.ascontiguousarray(np.linalg.cholesky(np.linalg.inv(damped)).T)
        except np.linalg.LinAlgError:
            continue
    return None


def _rounded(
    rows: Doubles, factor: Doubles, order: NDArray[np.intp], grid: Grid, fixed: Codes | None
) -> Codes:
    """Algorithm 1, inputs taken in `order`; `fixed` has the grids where they do not follow the weights."""
    count, depth = rows.shape
    blocks = (grid.blocks(depth), count)
    work = _Work(
        np.ascontiguousarray(rows[:, order].T),
        factor,
        np.ascontiguousarray(fixed.scales.T) if fixed else np.empty(blocks, np.float32),
        np.ascontiguousarray(fixed.zeros.T) if fixed else np.empty(blocks, np.uint8),
        np.empty((depth, count), np.uint8),
    )
    step = max(BATCH, grid.block)
    for begin in range(0, depth, step):
        end = min(begin + step, depth)
        errors = _batch(work, begin, end, order, grid, follows=fixed is None)
        work.weights[end:] -= factor[begin:end, end:].T @ errors
    values = np.empty_like(work.codes)
    values[order] = work.codes
    turned = np.ascontiguousarray
    return Codes(turned(values.T), turned(work.scales.T), turned(work.zeros.T))


def _batch(
    work: _Work, begin: int, end: int, order: NDArray[np.intp], grid: Grid, *, follows: bool
) -> Doubles:
    """Round inputs `begin` to `end`, each making up within the batch; their errors, scaled, for the rest."""
    errors = np.empty((end - begin, work.weights.shape[1]))
    for place in range(begin, end):
        block = order[place] // grid.block
        if follows and place % grid.block == 0:
            ahead = work.weights[place : place + grid.block].T
            work.scales[block], work.zeros[block] = fit(ahead.astype(np.float32), grid)
        weights, scales, zeros = work.weights[place], work.scales[block], work.zeros[block]
        codes = np.clip(np.rint(weights / scales) + zeros, 0, grid.top)
        work.codes[place] = codes
        error = (weights - (codes - zeros) * scales) / work.factor[place, place]
        errors[place - begin] = error
        work.weights[place + 1 : end] -= work.factor[place, place + 1 : end, None] * error
    return errors
