"""Which range each method chooses, on distributions as layers make them."""

import numpy as np
import pytest

from burnish_optimizer.precision.calibration.histogram import Histogram, histogram
from burnish_optimizer.precision.calibration.methods import choose
from burnish_optimizer.precision.calibration.records import Method, Range
from support.distributions import activations, rms_error

ACTIVATIONS = activations()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_mse_is_the_least_of_all_methods(name):
    values = ACTIVATIONS[name]
    seen = histogram(values)
    errors = {method: rms_error(values, choose(seen, method)) for method in Method}
    assert errors[Method.MSE] <= min(errors.values()) * 1.02 + 1e-7


def test_mse_is_near_what_a_full_search_finds():
    values = ACTIVATIONS["gelu"]
    found = rms_error(values, choose(histogram(values), Method.MSE))
    shares = np.linspace(0.3, 1, 30)
    tried = [Range(values.min() * a, values.max() * b) for a in (0.5, 0.8, 0.9, 1) for b in shares]
    assert found <= min(rms_error(values, one) for one in tried) * 1.02


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("name", ["gelu", "hard_swish"])
def test_a_short_negative_tail_is_kept_and_costs_the_other_side_nothing(method, name):
    values = ACTIVATIONS[name]
    found = choose(histogram(values), method)
    assert 0.8 * values.min() >= found.low >= values.min()
    assert found.high > 20 * -found.low


@pytest.mark.parametrize("method", Method)
def test_what_is_never_negative_spends_no_level_on_signs(method):
    found = choose(histogram(ACTIVATIONS["relu"]), method)
    assert found.low == 0
    assert found.high > 3


@pytest.mark.parametrize(("method", "most"), [(Method.PERCENTILE, 6), (Method.ENTROPY, 50), (Method.MSE, 95)])
def test_an_outlier_is_clipped(method, most):
    """MSE clips it least: one error of 50 counts as much as many thousands of a small step."""
    assert choose(histogram(ACTIVATIONS["outlier"]), method).high < most


def test_a_percentile_cuts_half_on_each_side():
    values = np.arange(-5000, 5001, dtype=np.float32)
    found = choose(histogram(values), Method.PERCENTILE, percentile=90.0)
    assert found.low == pytest.approx(-4500, abs=8)
    assert found.high == pytest.approx(4500, abs=8)
    assert choose(histogram(values), Method.PERCENTILE, percentile=100.0) == Range(-5000, 5000)


def test_few_levels_clip_more():
    seen = histogram(ACTIVATIONS["normal"])
    spans = [choose(seen, Method.MSE, levels).span for levels in (4, 16, 256)]
    assert spans == sorted(spans)
    assert spans[0] < 0.6 * spans[-1]


@pytest.mark.parametrize("method", Method)
def test_what_a_grid_holds_exactly_is_not_clipped(method):
    for name in ("mask", "constant", "zeros"):
        values = ACTIVATIONS[name]
        assert rms_error(values, choose(histogram(values), method)) < 1e-7


def test_many_tensors_sum_without_growing():
    seen = Histogram()
    for scale in (1e-3, 1.0, 1e4, 1e30):
        seen = seen.merged(histogram(ACTIVATIONS["normal"] * np.float32(scale)))
    assert seen.counts.nbytes == Histogram().counts.nbytes
    assert seen.high == (ACTIVATIONS["normal"] * np.float32(1e30)).max()


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int64, np.bool_])
def test_other_types_count_as_float32(kind):
    seen = histogram(np.array([[0, 1], [1, 1]]).astype(kind))
    assert (seen.low, seen.high, seen.zeros, seen.count) == (0, 1, 1, 4)


def test_what_float32_cannot_hold_is_infinite():
    seen = histogram(np.array([1e300, -1e300, 1.0]))
    assert (seen.infinities, seen.count) == (2, 1)


def test_nothing_finite_has_no_range():
    with pytest.raises(ValueError, match="no finite value"):
        choose(histogram(np.array([np.nan], np.float32)), Method.MSE)
    with pytest.raises(ValueError, match="1 levels"):
        choose(histogram(ACTIVATIONS["relu"]), Method.MSE, levels=1)
