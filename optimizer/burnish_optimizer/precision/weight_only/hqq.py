"""Half-quadratic quantization: grids that fit most weights well, and let outliers be far off. Needs no data.

Minimizes Σ|w - s·(q - z)|^½, which few large errors do not rule, by splitting it:
    e ← shrink(w - s·(q - z))     what counts as an outlier's error
    s, z ← least squares of s·(q - z) against w - e
Source: Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models", 2023.

Three things differ. There z is a real number and s stays; here z is a code, because ONNX Runtime's CPU
kernels take 2.6 times as long with real zeros (seen with 1.32), and rounding z alone undoes what was won:
so s is fitted, too. Errors are measured in units of the scale: weights of any size are treated alike. And the
power is a half, not 0.7: a root is far cheaper to compute, and the grids are as good (seen on MiniLM).
"""

import numpy as np
from numpy.typing import NDArray

from burnish_optimizer.precision.weight_only.grid import LEAST_SCALE, Codes, Floats, Grid, encode, fit, joined

ROUNDS = 10
# Weight of the quadratic term, and its growth a round.
STIFFNESS, GROWTH = 5.0, 1.01
# So many weights at a time stay in the processor's cache through all rounds.
TOGETHER = 1 << 16


def hqq(rows: Floats, grid: Grid) -> Codes:
    """Quantize rows [N, K]. No block's Σ|error|^½ is larger than with rounding to nearest."""
    step = max(1, TOGETHER // max(1, rows.shape[1]))
    return joined([_some(rows[begin : begin + step], grid) for begin in range(0, len(rows), step)])


def _some(rows: Floats, grid: Grid) -> Codes:
    blocks = grid.split(np.asarray(rows, np.float32))
    scales, zeros = fit(blocks, grid)
    stiffness, free = STIFFNESS, zeros.astype(np.float32)
    best = (scales, zeros, _cost(blocks, scales, zeros, grid))
    for _ in range(ROUNDS):
        scales, free = _step(blocks, scales, free, grid, stiffness)
        best = _better(blocks, best, scales, np.rint(free).astype(np.uint8), grid)
        stiffness *= GROWTH
    codes = encode(blocks, best[0], best[1], grid)
    return Codes(grid.join(codes, rows.shape[1]), best[0], best[1])


def _step(
    blocks: Floats, scales: Floats, free: Floats, grid: Grid, stiffness: float
) -> tuple[Floats, Floats]:
    """One round: outliers, then the grid that fits what is left. `free` are zeros before rounding."""
    codes = np.clip(np.rint(blocks / scales[..., None] + free[..., None]), 0, grid.top)
    centred = codes - free[..., None]
    errors = blocks - scales[..., None] * centred
    aims = blocks - scales[..., None] * _shrunk(errors / scales[..., None], stiffness)
    power = np.square(centred).sum(-1)
    fitted = (centred * aims).sum(-1) / np.where(power > 0, power, 1)
    scales = np.where((power > 0) & (np.abs(fitted) > LEAST_SCALE), fitted, scales).astype(np.float32)
    if not grid.symmetric:
        free = np.clip((codes - aims / scales[..., None]).mean(-1), 0, grid.top).astype(np.float32)
    return scales, free


def _shrunk(errors: Floats, stiffness: float) -> Floats:
    """The proximal operator of |·|^½, first order: sign(x)·max(0, |x| - 1/(stiffness·√|x|))."""
    size = np.abs(errors)
    cut = np.float32(1 / stiffness) / np.sqrt(np.where(size > 0, size, 1))
    return np.copysign(np.maximum(size - cut, 0), errors)


Best = tuple[Floats, NDArray[np.uint8], Floats]


def _better(blocks: Floats, best: Best, scales: Floats, zeros: NDArray[np.uint8], grid: Grid) -> Best:
    cost = _cost(blocks, scales, zeros, grid)
    won = cost < best[2]
    return (
        np.where(won, scales, best[0]),
        np.where(won, zeros, best[1]),
        np.where(won, cost, best[2]),
    )


def _cost(blocks: Floats, scales: Floats, zeros: NDArray[np.uint8], grid: Grid) -> Floats:
    codes = encode(blocks, scales, zeros, grid).astype(np.float32)
    found = (codes - zeros[..., None]) * scales[..., None]
    total: Floats = np.sqrt(np.abs(blocks - found)).sum(-1)
    return total
