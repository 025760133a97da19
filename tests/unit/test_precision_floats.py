"""Graphs in FP16: what becomes narrow, what stays and why, and what they answer."""

from collections.abc import Mapping

import numpy as np
import onnx
import pytest

from burnish_optimizer.precision.floats.constants import flaw
from burnish_optimizer.precision.floats.fp16 import Check, NarrowReport, checked_fp16, to_fp16
from burnish_optimizer.precision.floats.watch import overflowing
from support.fusion import model_of
from support.narrow_models import answers, assert_close, ops, typed, valid, weights

LOWEST = float(np.finfo(np.float32).min)
Ranges = Mapping[str, tuple[float, float]]


def fp16(
    proto: onnx.ModelProto, ranges: Ranges | None = None, keep: tuple[str, ...] = ()
) -> tuple[onnx.ModelProto, NarrowReport]:
    made, report = to_fp16(typed(proto), ranges, keep)
    found = valid(made)
    assert [(v.name, v.type) for v in found.graph.input] == [(v.name, v.type) for v in proto.graph.input]
    assert [(v.name, v.type.tensor_type.elem_type) for v in found.graph.output] == [
        (v.name, v.type.tensor_type.elem_type) for v in proto.graph.output
    ]
    return found, report


def kinds(proto: onnx.ModelProto) -> dict[str, int]:
    """Element types of all values."""
    inferred = onnx.shape_inference.infer_shapes(proto)
    return {v.name: v.type.tensor_type.elem_type for v in inferred.graph.value_info}


PERCEPTRON = (
    "(float[N,24] x) => (float[N,8] y) {a = Gemm(x, w, b) r = Relu(a) m = MatMul(r, v) y = Softmax(m)}"
)
PARTS = {"w": weights(24, 32), "b": weights(32), "v": weights(32, 8)}


def test_a_network_is_cast_where_it_begins_and_where_it_ends() -> None:
    source = model_of(PERCEPTRON, PARTS)
    found, report = fp16(source)
    assert ops(found)["Cast"] == report.casts == 2
    assert report.narrow == 4
    assert not report.kept
    assert all(t.data_type == onnx.TensorProto.FLOAT16 for t in found.graph.initializer)
    assert_close(source, found)


def test_weights_take_half_the_room() -> None:
    source = model_of(PERCEPTRON, PARTS)
    assert fp16(source)[0].ByteSize() < 0.75 * source.ByteSize()


def test_nodes_and_values_are_given_back_by_name() -> None:
    source = model_of(PERCEPTRON, PARTS)
    source.graph.node[2].name = "second"
    for keep in ("second", "m"):
        found, report = fp16(source, keep=(keep,))
        assert report.kept["second"] == "asked to stay"
        assert kinds(found)["m"] == onnx.TensorProto.FLOAT
        assert_close(source, found)


def test_what_reaches_too_far_stays_and_takes_few_casts() -> None:
    source = model_of(
        "(float[N,8] x) => (float[N,8] y) {a = MatMul(x, w) h = Mul(a, k) s = Div(h, k) y = MatMul(s, v)}",
        {"w": weights(8, 8), "v": weights(8, 8), "k": np.float32(1e4)},
    )
    found, report = fp16(source, {"a": (-9, 9), "h": (-9e4, 9e4), "s": (-9, 9), "x": (-3, 3)})
    assert set(report.kept) == {"h", "s"}
    assert "9e+04" in report.kept["h"]
    assert ops(found)["Cast"] == 4
    assert_close(source, found)


def test_light_nodes_between_such_that_stay_stay_too() -> None:
    source = model_of(
        "(float[N,8] x) => (float[N,8] y)"
        "{a = MatMul(x, w) h = Mul(a, k) r = Relu(h) s = Div(r, k) y = Neg(s)}",
        {"w": weights(8, 8), "k": np.float32(1e4)},
    )
    ranges = {"a": (-9.0, 9.0), "h": (-9e4, 9e4), "r": (0.0, 9e4), "s": (0.0, 9.0)}
    found, _ = fp16(source, ranges)
    assert ops(found)["Cast"] == 2  # around the product
    assert_close(source, found)


def test_an_epsilon_below_fp16_stays_with_what_divides_by_it() -> None:
    source = model_of(
        "(float[N,8] x) => (float[N,8] y)"
        "{q = Mul(x, x) e = Add(q, k) r = Sqrt(e) z = Div(x, r) y = MatMul(z, w)}",
        {"k": np.float32(1e-12), "w": weights(8, 8)},
    )
    ranges = {"x": (-3.0, 3.0), "q": (0.0, 9.0), "e": (1e-12, 9.0), "r": (1e-6, 3.0), "z": (-1.0, 1.0)}
    found, report = fp16(source, ranges)
    assert {"e", "r", "z"} <= set(report.kept)
    assert "y" not in report.kept
    feeds = {"x": np.zeros((2, 8), np.float32)}
    assert np.isfinite(answers(found, feeds)[0]).all()


def test_a_mask_of_the_lowest_number_becomes_one_that_fp16_has() -> None:
    source = model_of(
        "(float[2,8,8] x, float[2,1,8] m) => (float[2,8,8] y)"
        "{n = Sub(one, m) b = Mul(n, low) s = Add(x, b) p = Softmax(s) y = MatMul(p, x)}",
        {"one": np.float32(1), "low": np.float32(LOWEST)},
    )
    ranges = {"b": (LOWEST, 0.0), "s": (LOWEST, 4.0), "p": (0.0, 1.0), "n": (0.0, 1.0)}
    found, report = fp16(source, ranges)
    assert not report.kept
    feeds = {"x": weights(2, 8, 8), "m": np.array([[[1, 1, 1, 0, 0, 0, 0, 0]], [[1] * 8]], np.float32)}
    one, other = answers(source, feeds)[0], answers(found, feeds)[0]
    assert np.abs(one - other).max() < 5e-3
    feeds["x"] *= 100  # far from 0, and still no infinity where the mask is added
    assert not overflowing(typed(source), typed(found), [feeds])


@pytest.mark.parametrize(("size", "stays"), [(100, False), (1000, True)])
def test_long_sums_stay(size: int, stays: bool) -> None:
    source = model_of(
        f"(float[4,{size}] x) => (float[4,1] y)"
        "{r = Relu(x) m = ReduceMean<axes = [1]>(r) y = MatMul(m, w)}",
        {"w": weights(1, 1)},
    )
    found, report = fp16(source, {"r": (0.0, 4.0), "m": (0.0, 4.0)})
    assert ("m" in report.kept) is stays
    assert_close(source, found)


def test_a_sum_that_overflows_on_its_way_stays() -> None:
    source = model_of(
        "(float[4,200] x) => (float[4,1] y) {m = ReduceMean<axes = [1]>(x) y = MatMul(m, w)}",
        {"w": weights(1, 1)},
    )
    _, report = fp16(source, {"x": (-900.0, 900.0), "m": (-900.0, 900.0)})
    assert "on the way" in report.kept["m"]


def test_angles_stay_with_all_that_makes_them() -> None:
    source = model_of(
        "(int64[N,1] p, float[N,8] x) => (float[N,8] y)"
        "{f = Cast<to = 1>(p) a = MatMul(f, w) c = Cos(a) z = Mul(x, c) y = MatMul(z, v)}",
        {"w": np.logspace(0, -3, 8)[None].astype(np.float32), "v": weights(8, 8)},
    )
    found, report = fp16(source, {"f": (0.0, 512.0), "a": (0.0, 512.0), "c": (-1.0, 1.0)})
    assert {"f", "a", "c"} <= set(report.kept)
    assert "y" not in report.kept
    feeds = {"p": np.arange(500, 512)[:, None], "x": weights(12, 8)}
    assert np.abs(answers(source, feeds)[0] - answers(found, feeds)[0]).max() < 0.02


def test_integers_are_cast_once_to_what_is_wanted() -> None:
    source = model_of(
        "(int64[N,8] i) => (float[N,8] y) {f = Cast<to = 1>(i) y = MatMul(f, w)}", {"w": weights(8, 8)}
    )
    for high, stays in ((100.0, False), (3000.0, True)):
        found, report = fp16(source, {"f": (0.0, high)})
        assert ("f" in report.kept) is stays
        firsts = [n for n in found.graph.node if n.op_type == "Cast" and n.input[0] == "i"]
        assert len(firsts) == 1


def test_indices_are_made_of_exact_numbers() -> None:
    source = model_of(
        "(float[N] x, float[9,8] t) => (float[N,8] y)"
        "{s = Mul(x, k) f = Floor(s) i = Cast<to = 7>(f) y = Gather(t, i)}",
        {"k": np.float32(0.1)},
    )
    found, report = fp16(source, {"x": (0.0, 80.0), "s": (0.0, 8.0), "f": (0.0, 8.0)})
    assert {"s", "f", "i"} <= set(report.kept)
    feeds = {
        "x": np.linspace(0, 80, 801, dtype=np.float32),
        "t": np.arange(72, dtype=np.float32).reshape(9, 8),
    }
    assert np.array_equal(answers(source, feeds)[0], answers(found, feeds)[0])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1e5, 1.0], "beyond FP16"),
        ([1e-9] * 8, "loses"),
        ([1e-9, 1.0], ""),
        ([np.inf, -np.inf, np.nan, 1.0], ""),
        ([LOWEST, 0.0], ""),
        ([0.0], ""),
    ],
)
def test_what_a_constant_loses(values: list[float], words: str) -> None:
    assert words in flaw(np.array(values, np.float32))
    assert bool(flaw(np.array(values, np.float32))) is bool(words)


BRANCH = (
    "(float[N,8] x, bool c) => (float[N,8] y) {a = MatMul(x, w) b = If(c)"
    "<then_branch = th () => (float[N,8] t) {t = MatMul(a, v)},"
    " else_branch = el () => (float[N,8] e) {e = Identity(a)}>"
    " y = MatMul(b, w)}"
)


def test_bodies_keep_their_signatures_and_compute_in_fp16() -> None:
    source = model_of(BRANCH, {"w": weights(8, 8), "v": weights(8, 8)})
    found, report = fp16(source)
    body = next(n for n in found.graph.node if n.op_type == "If").attribute
    assert report.narrow == 4
    assert all(a.g.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT for a in body)
    for chosen in (True, False):
        feeds = {"x": weights(3, 8), "c": np.array(chosen)}
        one, other = answers(source, feeds)[0], answers(found, feeds)[0]
        assert np.abs(one - other).max() < 5e-3 * np.abs(one).max()


def test_a_source_in_fp16_parts_has_no_cast_left_between() -> None:
    source = model_of(
        "(float[N,8] x) => (float[N,8] y)"
        "{a = MatMul(x, w) h = Cast<to = 10>(a) r = Relu(h) f = Cast<to = 1>(r) y = MatMul(f, w)}",
        {"w": weights(8, 8)},
    )
    assert ops(fp16(source)[0])["Cast"] == 2


def test_an_overflow_is_seen_although_the_cpu_does_not_compute_in_fp16() -> None:
    source = model_of(
        "(float[N,8] x) => (float[N,8] y) {q = Mul(x, x) r = Sqrt(q) y = MatMul(r, w)}", {"w": weights(8, 8)}
    )
    model = typed(source)
    made, _ = to_fp16(model)
    feeds = [{"x": np.full((2, 8), value, np.float32)} for value in (1.0, 300.0)]
    assert overflowing(model, made, feeds[:1]) == frozenset()
    assert overflowing(model, made, feeds) == {"q"}


def test_what_was_infinite_before_is_no_overflow() -> None:
    source = model_of("(float[N,8] x) => (float[N,8] y) {a = Neg(x) y = MatMul(a, w)}", {"w": weights(8, 8)})
    model = typed(source)
    made, _ = to_fp16(model)
    feeds = [{"x": np.full((2, 8), np.inf, np.float32)}]
    assert overflowing(model, made, feeds) == frozenset()


def test_what_overflows_is_built_again_in_fp32() -> None:
    source = model_of(
        "(float[N,8] x) => (float[N,8] y)"
        "{q = Mul(x, x) t = Mul(q, q) r = Sqrt(t) s = Sqrt(r) y = MatMul(s, w)}",
        {"w": weights(8, 8)},
    )
    feeds = [{"x": np.full((2, 8), value, np.float32)} for value in (1.0, 300.0)]
    made, report = checked_fp16(typed(source), {}, (), Check(lambda: feeds))
    assert {"q", "t", "r"} <= set(report.kept)
    assert "left the range of FP16 when it ran" in report.kept["t"]
    assert report.narrow >= 1
    assert np.isfinite(answers(valid(made), feeds[1])[0]).all()
