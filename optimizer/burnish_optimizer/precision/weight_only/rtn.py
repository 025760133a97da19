"""Round to nearest: each weight becomes the closest number of its block's grid. Needs no data."""

import numpy as np

from burnish_optimizer.precision.weight_only.grid import Codes, Floats, Grid, encode, fit


def rtn(rows: Floats, grid: Grid) -> Codes:
    """Quantize rows [N, K]."""
    blocks = grid.split(np.asarray(rows, np.float32))
    scales, zeros = fit(blocks, grid)
    return Codes(grid.join(encode(blocks, scales, zeros, grid), rows.shape[1]), scales, zeros)
