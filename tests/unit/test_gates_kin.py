"""Kin: FP64 is asked of a few, and the others may move no further than those."""

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_engine.report import Guarantee
from burnish_optimizer.gates import beside
from burnish_optimizer.gates.cut import Cut
from burnish_optimizer.gates.diff import Region, regions
from burnish_optimizer.gates.kin import Kin, Moved, _sizes, by_output, kind
from burnish_optimizer.gates.view import view
from burnish_optimizer.reference.fp64 import Truth, evaluate
from support.rewrite_nets import judge_of

FLOAT = np.dtype(np.float32)


def sides(before, after, signature="(float[N,4] x) => (float[N,4] y, float[N,4] z)", weights=""):
    return [
        view(ir.from_proto(onnx.parser.parse_model(
            f'<ir_version: 10, opset_import: ["" : 20]> g {signature} {weights} {{ {body} }}')))
        for body in (before, after)
    ]  # fmt: skip


def kinds(before, after, **options):
    views = sides(before, after, **options)
    return [kind(Cut(region), *views) for region in regions(*views)]


def truth(value, error):
    array = np.asarray(value, np.float64)
    return Truth(array, np.broadcast_to(np.asarray(error, np.float64), array.shape), FLOAT)


def test_the_same_expression_elsewhere_is_of_the_same_kind():
    first, second = kinds("y = Relu(x) n = Neg(x) z = Relu(n)", "y = Abs(x) n = Neg(x) z = Abs(n)")
    assert first == second


def test_another_attribute_or_small_constant_makes_another_kind():
    body = "y = LeakyRelu<alpha = 0.1>(x) n = Neg(x) z = LeakyRelu<alpha = 0.2>(n)"
    first, second = kinds(body, "y = Relu(x) n = Neg(x) z = Relu(n)")
    assert first != second
    weights = "<float[1] a = {1}, float[1] b = {2}>"
    first, second = kinds("y = Mul(x, a) n = Neg(x) z = Mul(n, b)", "y = Add(x, a) n = Neg(x) z = Add(n, b)",
                          weights=weights)  # fmt: skip
    assert first != second


def test_large_weights_make_no_kind():
    row = ", ".join("1" for _ in range(40))
    weights = f"<float[40] a = {{{row}}}, float[40] b = {{{row.replace('1', '2', 1)}}}>"
    before, after = (f"y = {op}(x, a) n = Neg(x) z = {op}(n, b)" for op in ("Mul", "Add"))
    wide = "(float[N,40] x) => (float[N,40] y, float[N,40] z)"
    first, second = kinds(before, after, signature=wide, weights=weights)
    assert first == second


def test_outputs_are_told_apart_by_their_place():
    views = sides("y, z = Split<num_outputs = 2>(x)", "y = Relu(x) z = Neg(x)")
    changed = [Cut(region) for region in regions(*views)]
    assert len(set(by_output(changed, views).values())) == 2


def test_as_many_of_a_kind_are_asked_as_are_wanted_the_best_sizes_first():
    kin = Kin()
    found = {"small": np.zeros(4), "right": np.zeros(4000), "large": np.zeros(4_000_000)}
    asked = list(kin.to_ask(dict.fromkeys(found, "kind"), found, 1))
    assert asked == ["right"]
    assert set(kin.to_ask({"small": "a", "right": "b", "large": "b"}, found, 1)) == {"small", "right"}


def test_what_moved_as_far_as_its_kin_is_explained_and_no_further():
    kin, expected = Kin(), np.ones(10, np.float32)
    moved = expected * np.float32(1 + 1e-6)
    kin.learn("kind", truth(expected, 1e-5), Moved.of(moved, expected))
    assert kin.explains("kind", Moved.of(expected * np.float32(1 + 4e-6), expected))
    assert not kin.explains("kind", Moved.of(expected * np.float32(1 + 2e-5), expected))
    assert not kin.explains("another", Moved.of(moved, expected))
    assert list(kin.to_ask({"o": "kind"}, {"o": expected}, 1)) == []


def test_the_bound_of_fp64_limits_it_too():
    kin, expected = Kin(), np.ones(10, np.float32)
    kin.learn("kind", truth(expected, 2e-6), Moved.of(expected * np.float32(1 + 1e-6), expected))
    assert not kin.explains("kind", Moved.of(expected * np.float32(1 + 4e-6), expected))


def test_nan_in_another_place_and_other_types_are_never_explained():
    kin, expected = Kin(), np.ones(10, np.float32)
    kin.learn("kind", truth(expected, 1.0), Moved.of(expected * 2, expected))
    odd = expected.copy()
    odd[3] = np.nan
    assert not kin.explains("kind", Moved.of(odd, expected))
    assert kin.explains("kind", Moved.of(odd, odd))
    assert not kin.explains("kind", Moved.of(expected.astype(np.float64), expected))
    assert not kin.explains(
        "kind", Moved.of(expected.astype(ml_dtypes.bfloat16), expected.astype(ml_dtypes.bfloat16))
    )


def test_a_region_knows_whether_it_is_a_twin():
    assert not Region(frozenset(), frozenset(), (), frozenset()).twin


def test_a_channel_of_small_numbers_is_measured_by_itself():
    kin, expected = Kin(), np.ones((2, 3, 4), np.float32)
    expected[:, 1] = 1e-7
    kin.learn("kind", truth(expected, 1e-5 * expected), Moved.of(expected * np.float32(1 + 1e-6), expected))
    other = expected.copy()
    other[:, 1] *= 1.5
    assert not kin.explains("kind", Moved.of(other, expected))
    assert kin.explains("kind", Moved.of(expected * np.float32(1 + 4e-6), expected))


def test_where_one_of_a_kind_is_ill_conditioned_the_others_are_asked_about_themselves():
    kin, expected = Kin(), np.ones(10, np.float32)
    kin.learn("kind", truth(expected, 10.0), Moved.of(expected * 2, expected))
    assert not kin.explains("kind", Moved.of(expected * np.float32(1.001), expected))
    assert kin.explains("kind", Moved.of(expected * np.float32(1 + 1e-6), expected))


def test_rounding_of_nothing_explains_nothing():
    kin, expected = Kin(), np.zeros((2, 3), np.float32)
    kin.learn("kind", truth(expected, 1.0), Moved.of(expected + 1, expected))
    assert not kin.explains("kind", Moved.of(expected + np.float32(1e-9), expected))
    assert kin.explains("kind", Moved.of(expected, expected))


def test_numbers_that_move_no_further_than_captured_ones_are_not_asked_about(monkeypatch):
    asked = []

    def counted(model, feeds, names):
        asked.append(sorted(names))
        return evaluate(model, feeds, names)

    monkeypatch.setattr(beside, "evaluate", counted)
    before, after = (
        ir.from_proto(onnx.parser.parse_model(
            f'<ir_version: 10, opset_import: ["" : 20]> g (float[N,4] x) => (float[N,4] y) {{ {body} }}'))
        for body in (
            "c = Constant<value = float {0.3}>() d = Constant<value = float {0.7}>() "
            "a = Mul(x, c) y = Mul(a, d)",
            "e = Constant<value = float {0.21}>() y = Mul(x, e)",
        )
    )  # fmt: skip
    feeds = {"x": np.random.default_rng(0).standard_normal((3, 4), dtype=np.float32)}
    verdict = judge_of(before, [feeds]).judge(before, after, Guarantee.ROUNDING)
    assert verdict.passed
    assert 0 < len(asked) < verdict.trials / 2


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4), (2, 3, 5, 7), (1, 2, 1, 3, 4)])
def test_an_element_is_measured_by_the_largest_number_of_its_rows_channels_and_planes(shape):
    random = np.random.default_rng(0)
    values = np.abs(np.asarray(random.standard_normal(shape)))
    where = np.asarray(random.random(shape) < 0.5) | np.isclose(values, values.max())
    expected = np.full(shape, values.max())
    for axis in range(values.ndim):
        others = tuple(a for a in range(values.ndim) if a != axis)
        expected = np.minimum(expected, values.max(axis=others, keepdims=True))
    assert np.array_equal(_sizes(values, where), expected[where])
