"""Histograms in one pass: any order, any parts, the same histogram; ranges keep what they promise."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from burnish_optimizer.precision.calibration.histogram import BINS, Histogram, histogram
from burnish_optimizer.precision.calibration.methods import choose
from burnish_optimizer.precision.calibration.records import Method
from support.distributions import rms_error

SIZES = st.integers(0, 200)
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
FINITE = st.floats(-1e6, 1e6, width=32)
PARTS = st.lists(hnp.arrays(np.float32, SIZES, elements=FLOATS), max_size=6)
SEEN = hnp.arrays(np.float32, st.integers(1, 300), elements=FINITE)


def facts(seen: Histogram) -> tuple[object, ...]:
    extremes = (seen.exponent, seen.first, seen.low, seen.high)
    return (*extremes, seen.zeros, seen.nans, seen.infinities, seen.counts.tolist())


def summed(parts: list[np.ndarray]) -> Histogram:
    total = Histogram()
    for part in parts:
        total = total.merged(histogram(part))
    return total


@given(PARTS, st.randoms())
def test_a_sum_of_parts_is_the_histogram_of_the_whole_in_any_order(parts, random):
    whole = histogram(np.concatenate([np.empty(0, np.float32), *parts]))
    shuffled = random.sample(parts, len(parts))
    assert facts(summed(parts)) == facts(summed(shuffled)) == facts(whole)


@given(PARTS)
def test_nothing_is_lost_and_what_is_not_finite_is_apart(parts):
    seen = summed(parts)
    values = np.concatenate([np.empty(0, np.float32), *parts])
    finite = values[np.isfinite(values)]
    assert seen.count == finite.size
    assert seen.nans + seen.infinities == values.size - finite.size
    assert (seen.low, seen.high) == ((finite.min(), finite.max()) if finite.size else (math.inf, -math.inf))
    assert seen.zeros == int((finite == 0).sum())


@given(st.lists(hnp.arrays(np.float32, st.integers(1, 100), elements=FINITE), min_size=1, max_size=4))
def test_streamed_counts_are_numpys_over_the_same_edges(parts):
    seen, values = summed(parts), np.concatenate(parts)
    expected, _ = np.histogram(values.astype(np.float64), seen.edges)
    np.testing.assert_array_equal(seen.counts, expected)
    # Narrow enough: at least a quarter of the bins lie between the extremes, where those are apart.
    if seen.high - seen.low > max(1e-20, abs(seen.high) * 1e-6):
        assert seen.high - seen.low >= seen.width * BINS / 4


@given(SEEN, st.sampled_from(Method), st.sampled_from([4, 16, 256]), st.booleans(), st.floats(1, 100))
def test_a_range_stays_inside_what_was_seen_and_holds_zero_where_asked(
    values, method, levels, zero, percentile
):
    found = choose(histogram(values), method, levels, zero=zero, percentile=percentile)
    low, high = float(values.min()), float(values.max())
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
        assert found.low <= 0.0 <= found.high
    assert low <= found.low <= found.high <= high


@given(SEEN, st.sampled_from(Method))
def test_a_symmetric_range_is_no_wider_than_the_largest_magnitude(values, method):
    found = choose(histogram(values), method, symmetric=True)
    assert -found.low == found.high <= float(np.abs(values).max())


@given(SEEN, st.sampled_from([16, 256]))
def test_the_mse_range_is_no_worse_than_all_of_it(values, levels):
    """In RMS up to a bin: each value is within half a bin of where the search took it to be."""
    seen = histogram(values)
    best, whole = (choose(seen, method, levels) for method in (Method.MSE, Method.MINMAX))
    assert rms_error(values, best, levels) <= rms_error(values, whole, levels) + seen.width * 1.001


@given(SEEN)
def test_without_signs_it_is_the_histogram_of_the_magnitudes(values):
    seen, expected = histogram(values).absolute(), np.abs(values)
    assert (seen.low, seen.high) <= (expected.min(), expected.max())
    assert seen.high == expected.max()
    assert seen.count == values.size
    # A value on the edge of two bins may be in the lower one.
    counted = np.cumsum(seen.counts)
    strictly, loosely = ((op(expected[:, None], seen.edges[1:])).sum(0) for op in (np.less, np.less_equal))
    assert (counted >= strictly).all()
    assert (counted <= loosely).all()
