"""Laws of rounding weights: what each method promises, for weights of any kind."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from burnish_optimizer.precision.weight_only.gptq import gptq, inputs_of, output_error
from burnish_optimizer.precision.weight_only.grid import Codes, Floats, Grid
from burnish_optimizer.precision.weight_only.hqq import hqq
from burnish_optimizer.precision.weight_only.rtn import rtn

GRIDS = st.builds(Grid, st.sampled_from([4, 8]), st.sampled_from([16, 32, 64]), st.booleans())


@st.composite
def rows(draw: st.DrawFn, outliers: float = 0.02) -> Floats:
    """Weights [N, K] of some magnitude, with outliers and a row of zeros."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    made = rng.normal(size=(draw(st.integers(1, 9)), draw(st.integers(1, 150))))
    made[rng.random(made.shape) < outliers] *= 20
    made[0] *= draw(st.sampled_from([0.0, 1.0]))
    return (made * draw(st.sampled_from([1e-30, 1e-3, 1.0, 1e30]))).astype(np.float32)


def block_errors(weights: Floats, codes: Codes, grid: Grid) -> NDArray[np.float64]:
    """|error| [N, blocks, block]."""
    return np.abs(grid.split(codes.dequantized(grid).astype(np.float64) - weights))


@settings(max_examples=60)
@given(rows(), GRIDS)
def test_rounding_to_nearest_is_off_by_half_a_step(weights: Floats, grid: Grid) -> None:
    codes = rtn(weights, grid)
    steps = np.abs(codes.scales.astype(np.float64))[..., None]
    # A symmetric grid has no code for the mirror of what is furthest from 0: that is a whole step off. A
    # zero that is rounded moves both ends of its block by up to half a step.
    assert np.all(block_errors(weights, codes, grid) <= steps * 1.01)


@settings(max_examples=40)
@given(rows(), GRIDS)
def test_hqq_fits_most_weights_at_least_as_well_as_rounding(weights: Floats, grid: Grid) -> None:
    own, plain = (block_errors(weights, method(weights, grid), grid) for method in (hqq, rtn))
    size = np.abs(weights).max()
    assert np.all(np.sqrt(own).sum(-1) <= np.sqrt(plain).sum(-1) * (1 + 1e-4) + 1e-4 * np.sqrt(size))


def test_hqq_is_closer_than_rounding_where_there_are_outliers() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 256)).astype(np.float32)
    weights[rng.random(weights.shape) < 0.01] *= 12
    for grid in (Grid(4, 32), Grid(4, 128), Grid(4, 32, symmetric=True)):
        own, plain = (block_errors(weights, method(weights, grid), grid) for method in (hqq, rtn))
        assert own.mean() < 0.98 * plain.mean()


@settings(max_examples=40)
@given(rows(), GRIDS, st.integers(0, 2**32), st.booleans())
def test_gptq_answers_at_least_as_well_as_rounding_on_correlated_inputs(
    weights: Floats, grid: Grid, seed: int, ordered: bool
) -> None:
    depth = weights.shape[1]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(64, 3)) @ rng.normal(size=(3, depth)) + 0.1 * rng.normal(size=(64, depth))
    x[:, rng.random(depth) < 0.1] = 0
    inputs = inputs_of(x.T @ x / len(x), ordered=ordered)
    found = output_error(weights, gptq(weights, inputs, grid), inputs.moments, grid)
    plain = output_error(weights, rtn(weights, grid), inputs.moments, grid)
    assert np.all(found <= plain)


def test_gptq_halves_the_error_of_rounding_on_correlated_inputs() -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(32, 128)).astype(np.float32)
    x = rng.normal(size=(512, 8)) @ rng.normal(size=(8, 128)) + 0.1 * rng.normal(size=(512, 128))
    for ordered in (False, True):
        grid = Grid(4, 32)
        inputs = inputs_of(x.T @ x / len(x), ordered=ordered)
        found = output_error(weights, gptq(weights, inputs, grid), inputs.moments, grid)
        plain = output_error(weights, rtn(weights, grid), inputs.moments, grid)
        assert found.sum() < 0.5 * plain.sum()
