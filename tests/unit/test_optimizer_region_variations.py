"""Variations of a region's inputs: only floats vary, over the range, a few odd elements at a time."""

import ml_dtypes
import numpy as np
import onnx.parser
import onnx_ir as ir
import pytest

from burnish_optimizer.gates.probe_regions import MOST
from burnish_optimizer.gates.probes import region_variations, varied_floats

FLOAT = ir.DataType.FLOAT


def variations(captured, kind=FLOAT, **options):
    floats = {name: kind for name, array in captured.items() if array.dtype.kind in "fV"}
    return dict(region_variations(captured, floats, **options))


def normal(shape, dtype=np.float32):
    return np.random.default_rng(3).normal(size=shape).astype(dtype)


def test_captured_values_come_first_and_untouched():
    x = normal((4, 8))
    kept = x.copy()
    found = variations({"x": x})
    assert next(iter(found)) == "captured"
    assert found["captured"]["x"] is x
    assert np.array_equal(x, kept)
    assert len(found) == MOST


def test_integers_truths_and_texts_keep_their_values():
    whole = {"i": np.arange(3), "b": np.array([True]), "s": np.array(["a"], object), "x": normal((3, 3))}
    for feeds in variations(whole).values():
        assert all(feeds[name] is whole[name] for name in "ibs")


def test_without_floats_nothing_varies():
    assert list(variations({"i": np.arange(3)})) == ["captured"]
    assert list(variations({"x": np.zeros((0, 3), np.float32)})) == ["captured"]


def test_empty_arrays_stay_empty_beside_others():
    for feeds in variations({"x": normal((2, 3)), "none": np.zeros((0, 3), np.float32)}).values():
        assert feeds["none"].shape == (0, 3)


def test_magnitudes_spread_and_stay_finite():
    spread = variations({"x": normal(4000)})["10^-6 to 10^6"]["x"]
    magnitudes = np.abs(spread)
    assert np.isfinite(spread).all()
    assert magnitudes.max() > 1e5
    assert magnitudes[magnitudes > 0].min() < 1e-5
    assert (spread < 0).any()


def test_where_nothing_captured_was_negative_the_spread_is_not_either():
    assert (variations({"variance": np.abs(normal(100))})["10^-6 to 10^6"]["variance"] >= 0).all()


def test_odd_values_are_few_and_of_every_kind():
    x = normal((16, 16))
    found = variations({"x": x})["NaN, zeros, denormals"]["x"]
    changed = ~((found == x) | (np.isnan(found) & np.isnan(x)))
    assert 0 < changed.sum() <= x.size / 8
    odd = found[changed]
    assert np.isnan(odd).any()
    assert not np.isinf(odd).any()
    assert 0.0 in odd
    assert (np.signbit(odd) & (odd == 0)).any()
    assert ((odd != 0) & (np.abs(odd) < np.finfo(np.float32).tiny)).any()
    assert np.finfo(np.float32).max in odd


@pytest.mark.parametrize("shape", [(3, 4), (2, 5), (4, 3, 7)])
def test_what_becomes_of_an_infinity_alone_shows(shape):
    """Beside a NaN, or an infinity of the other sign, every sum would be NaN."""
    found = variations({"x": normal(shape)})["infinities"]["x"].reshape(-1, shape[-1])
    odd = np.isinf(found).sum(axis=1)
    assert set(odd.tolist()) <= {0, 1}
    assert {np.inf, -np.inf} <= set(found.ravel().tolist())
    assert not np.isnan(found).any()


def test_odd_values_take_other_places_in_other_inputs():
    found = variations({"a": np.ones(64, np.float32), "b": np.ones(64, np.float32)})
    odd = found["NaN, zeros, denormals"]
    assert not np.array_equal(odd["a"] == 1, odd["b"] == 1)


def test_a_transpose_changes_the_values_that_all_differ():
    x = variations({"x": np.zeros((6, 6), np.float32)})["all different"]["x"]
    assert len(np.unique(x)) == x.size
    assert not np.array_equal(x, x.T)
    assert not np.array_equal(np.sort(x, axis=0), x)


def test_one_variation_is_all_zeros():
    assert not variations({"x": normal(5)})["zeros"]["x"].any()


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_types_and_shapes_stay(dtype):
    for feeds in variations({"x": normal((), dtype), "y": normal((2, 0, 3), dtype), "z": normal(9, dtype)},
                            ir.DataType.from_numpy(np.dtype(dtype))).values():  # fmt: skip
        assert [(a.dtype, a.shape) for a in feeds.values()] == [
            (dtype, ()),
            (dtype, (2, 0, 3)),
            (dtype, (9,)),
        ]


def test_bfloat16_as_bits_varies_as_numbers():
    bits = normal(50, ml_dtypes.bfloat16).view(np.uint16)
    found = dict(region_variations({"x": bits}, {"x": ir.DataType.BFLOAT16}))
    assert all(feeds["x"].dtype == np.uint16 for feeds in found.values())
    spread = found["10^-6 to 10^6"]["x"].view(ml_dtypes.bfloat16).astype(np.float64)
    assert np.isfinite(spread).all()
    assert np.abs(spread).max() > 1e3


def test_the_same_seed_gives_the_same_values_and_another_others():
    first, same, other = (variations({"x": normal(9)}, seed=s)["all different"]["x"] for s in (0, 0, 1))
    assert first.tobytes() == same.tobytes() != other.tobytes()


def test_fewer_where_fewer_are_wanted():
    assert len(variations({"x": normal(9)}, most=2)) == 2


def test_what_sizes_a_tensor_does_not_vary():
    net = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 17]>
        g (float[1, 1, 4, 4] x, float[4] scales, int64[2] i) => (float[?, ?, ?, ?] y) {
            same = Identity(scales)
            y = Resize(x, , same)
        }""")
    captured = {"x": normal(16).reshape(1, 1, 4, 4), "scales": np.ones(4, np.float32)}
    assert varied_floats(ir.from_proto(net), captured) == {"x": FLOAT}
