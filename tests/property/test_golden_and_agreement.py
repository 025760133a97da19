"""Laws of comparing answers: the same is the same, distances are distances, agreement is a share."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from burnish_engine.descriptor import TensorSpec
from burnish_runtime import golden
from burnish_serving.shadow.agreement import ShadowMetric, agreement

DTYPES = ("float32", "float16", "float64", "int32", "uint8", "bool")
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, TensorSpec]:  # type: ignore[type-arg]
    """Two arrays of one type and shape, with NaN, infinities and zeros of both signs."""
    dtype, shape = draw(st.sampled_from(DTYPES)), draw(SHAPES)
    one, other = (draw(hnp.arrays(dtype, shape)) for _ in range(2))
    return one, other, TensorSpec(name="y", dtype=dtype, shape=(None,) * len(shape))


@given(pairs())
def test_a_distance_is_none_to_itself_the_same_both_ways_and_never_negative(drawn: tuple) -> None:  # type: ignore[type-arg]
    one, other, spec = drawn
    assert golden.difference(one, one.copy(), spec) == 0.0
    there, back = golden.difference(one, other, spec), golden.difference(other, one, spec)
    assert there == back >= 0.0


@given(pairs(), st.sampled_from(ShadowMetric))
def test_agreement_is_a_share_and_whole_with_itself(drawn: tuple, metric: ShadowMetric) -> None:  # type: ignore[type-arg]
    one, other, _ = drawn
    assert agreement(metric, {"y": one}, {"y": one.copy()}) == 1.0
    assert 0.0 <= agreement(metric, {"y": one}, {"y": other}) <= 1.0


@given(pairs())
def test_made_up_feeds_stay_within_what_was_seen(drawn: tuple) -> None:  # type: ignore[type-arg]
    one, _, spec = drawn
    seen = np.nan_to_num(one, posinf=0, neginf=0) if one.dtype.kind == "f" else one
    made = golden.made_up({"y": seen}, [spec])["y"]
    assert (made.dtype, made.shape) == (seen.dtype, seen.shape)
    if seen.size and seen.dtype.kind != "b":
        assert seen.min() <= made.min()
        assert made.max() <= seen.max()
