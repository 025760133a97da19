"""Graphs in FP16, BF16 and FP8: what becomes narrow, what stays and why, and what they answer."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import Declined
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.precision.floats.bf16 import to_bf16
from burnish_optimizer.precision.floats.build import build_bf16, build_fp8, build_fp16
from burnish_optimizer.precision.floats.constants import flaw
from burnish_optimizer.precision.floats.fp8 import to_fp8
from burnish_optimizer.precision.floats.fp16 import Check, NarrowReport, checked_fp16, to_fp16
from burnish_optimizer.precision.floats.watch import overflowing
from burnish_optimizer.precision.large import drop_unused
from burnish_optimizer.rewrite.shapes import ensure_shapes
from burnish_optimizer.tasks import BuildTask
from support.fusion import model_of, random_feeds

RNG = np.random.default_rng(5)
LOWEST = float(np.finfo(np.float32).min)
Ranges = Mapping[str, tuple[float, float]]


def weights(*dims: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=dims).astype(np.float32)


def typed(proto: onnx.ModelProto) -> ir.Model:
    model = ir.from_proto(proto)
    ensure_shapes(model)
    return model


def valid(model: ir.Model) -> onnx.ModelProto:
    drop_unused(model)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


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


def ops(proto: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in proto.graph.node)


def answers(proto: onnx.ModelProto, feeds: Mapping[str, Any]) -> list[np.ndarray[Any, Any]]:
    return list(Executable(proto).run(feeds).values())


def assert_close(proto: onnx.ModelProto, found: onnx.ModelProto, tolerance: float = 5e-3) -> None:
    feeds = random_feeds(proto)
    for one, other in zip(answers(proto, feeds), answers(found, feeds), strict=True):
        assert one.dtype == other.dtype
        assert np.abs(one - other).max() <= tolerance * np.abs(one).max()


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
    assert report.narrow >= 1
    assert np.isfinite(answers(valid(made), feeds[1])[0]).all()


def test_bf16_needs_no_ranges_and_keeps_what_its_operators_lack() -> None:
    source = model_of(
        "(float[N,8] x) => (float[N,8] y)"
        '{a = MatMul(x, w) h = Mul(a, k) c = Einsum<equation = "ij->ij">(h) y = MatMul(c, v)}',
        {"w": weights(8, 8), "v": weights(8, 8), "k": np.float32(1e20)},
    )
    made, report = to_bf16(typed(source))
    found = valid(made)
    assert set(report.kept) == {"c"}
    assert "BFLOAT16" in report.kept["c"]
    assert ops(found)["Cast"] == 4
    feeds = random_feeds(source)
    expected = answers(source, feeds)[0]
    (given,) = ReferenceEvaluator(found).run(None, feeds)
    assert given.dtype == np.float32
    assert np.abs(given - expected).max() < 0.03 * np.abs(expected).max()


def rounded(array: np.ndarray[Any, Any], scale: Any) -> np.ndarray[Any, Any]:
    codes = np.clip(array / np.float32(scale), -448, 448).astype(ml_dtypes.float8_e4m3fn)
    return codes.astype(np.float32) * np.float32(scale)


@pytest.mark.parametrize("form", ["MatMul(x, w)", "Gemm<transB = 1>(x, w, b)"])
def test_fp8_products_are_those_of_rounded_factors(form: str) -> None:
    turned = form.startswith("Gemm")
    weight, bias = weights(8, 8) * np.logspace(-2, 2, 8)[:, None].astype(np.float32), weights(8)
    source = model_of(f"(float[N,8] x) => (float[N,8] y) {{y = {form}}}", {"w": weight, "b": bias}, opset=19)
    made, report = to_fp8(typed(source), {"x": (-2.0, 1.5)})
    found = valid(made)
    assert report.done == ["y"]
    scales = np.abs(weight).max(axis=1 if turned else 0, keepdims=True) / 448
    held = rounded(weight, scales)
    x = weights(5, 8)
    expected = rounded(x, 2 / 448) @ (held.T if turned else held) + (bias if turned else 0)
    assert np.abs(answers(found, {"x": x})[0] - expected).max() < 1e-4 * np.abs(expected).max()


def test_fp8_convolutions_and_shared_inputs() -> None:
    source = model_of(
        "(float[1,4,6,6] x) => (float[1,6,4,4] y) {a = Conv(x, w) b = Conv(x, v) y = Add(a, b)}",
        {"w": weights(6, 4, 3, 3), "v": weights(6, 4, 3, 3)},
        opset=19,
    )
    made, report = to_fp8(typed(source), {"x": (-4.0, 4.0)})
    found = valid(made)
    assert len(report.done) == 2
    assert ops(found)["QuantizeLinear"] == 1
    assert_close(source, found, tolerance=0.1)


def test_fp8_layers_without_a_range_stay() -> None:
    source = model_of(
        "(float[N,8] x) => (float[N,8] y) {a = MatMul(x, w) b = Relu(a) c = MatMul(b, w) y = MatMul(c, n)}",
        {"w": weights(8, 8), "n": np.full((8, 8), np.nan, np.float32)},
        opset=19,
    )
    _, report = to_fp8(typed(source), {"x": (-1.0, 1.0), "c": (-1.0, 1.0)})
    assert report.done == ["a"]
    assert "no range of b" in report.kept["c"]
    assert "NaN" in report.kept["y"]


def task(folder: Path, source: onnx.ModelProto, *, samples: int) -> BuildTask:
    onnx.save(source, folder / "source.onnx")
    (folder / "out").mkdir()
    np.savez(folder / "data.npz", x=40 * weights(max(1, samples), 24))
    return BuildTask(
        run="",
        model=str(folder / "source.onnx"),
        folder=str(folder / "out"),
        shared=str(folder),
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 24)),),
        calibration=DataSpec(path=str(folder / "data.npz")) if samples else None,
        threads=1,
        facts={},
    )


@pytest.mark.parametrize(("build", "tolerance"), [(build_fp16, 0.02), (build_fp8, 0.2)])
def test_builders_write_models_that_answer(build: Any, tolerance: float, tmp_path: Path) -> None:
    source = model_of(
        "(float[N,24] x) => (float[N,8] y)"
        "{q = Mul(x, x) a = Mul(q, q) r = Sqrt(a) s = Sqrt(r) y = MatMul(s, v)}",
        {"v": weights(24, 8)},
    )
    given = task(tmp_path, source, samples=8)
    made = Path(given.folder) / build(given).model
    assert [p.name for p in made.parent.iterdir()] == [made.name]
    feeds = {"x": 40 * weights(6, 24)}
    expected, found = answers(source, feeds)[0], answers(onnx.load(made), feeds)[0]
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()


def test_bf16_is_built_without_samples(tmp_path: Path) -> None:
    given = task(tmp_path, model_of(PERCEPTRON, PARTS), samples=0)
    made = onnx.load(Path(given.folder) / build_bf16(given).model)
    onnx.checker.check_model(made, full_check=True)
    assert {t.data_type for t in made.graph.initializer} == {onnx.TensorProto.BFLOAT16}


@pytest.mark.parametrize("build", [build_fp16, build_fp8])
def test_narrow_ranges_need_samples(build: Any, tmp_path: Path) -> None:
    with pytest.raises(Declined, match="calibration samples"):
        build(task(tmp_path, model_of(PERCEPTRON, PARTS), samples=0))
