"""Graphs in BF16 and FP8, and what the builders of narrow floats write."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from burnish_engine.conversion import FloatConversion
from burnish_engine.descriptor import TensorSpec
from burnish_engine.request import Precision
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.precision.floats.bf16 import to_bf16
from burnish_optimizer.precision.floats.build import build_bf16, build_fp8, build_fp16
from burnish_optimizer.precision.floats.fp8 import to_fp8
from burnish_optimizer.tasks import BuildTask
from support.fusion import model_of, random_feeds
from support.narrow_models import answers, assert_close, ops, typed, valid, weights

PERCEPTRON = (
    "(float[N,24] x) => (float[N,8] y) {a = Gemm(x, w, b) r = Relu(a) m = MatMul(r, v) y = Softmax(m)}"
)
PARTS = {"w": weights(24, 32), "b": weights(32), "v": weights(32, 8)}


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


def test_the_builder_of_fp16_tells_ranges_and_what_stayed_and_why(tmp_path: Path) -> None:
    source = model_of(
        "(float[N,24] x) => (float[N,8] y)"
        "{q = Mul(x, x) a = Mul(q, q) r = Sqrt(a) s = Sqrt(r) y = MatMul(s, v)}",
        {"v": weights(24, 8)},
    )
    told = build_fp16(task(tmp_path, source, samples=8)).conversion
    assert isinstance(told, FloatConversion)
    assert (told.precision, told.limit) == (Precision.FP16, 65504)
    assert [one.name for one in told.ranges] == ["x", "q", "a", "r", "s", "y"]
    furthest = {one.name: one.high for one in told.ranges}
    assert furthest["a"] > 65504 > furthest["r"]
    assert {one.name for one in told.ranges if one.stayed} >= {"a"}
    assert any("a reaches" in one.reason for one in told.stayed)
    assert told.nodes >= 1


def test_bf16_is_built_without_samples(tmp_path: Path) -> None:
    given = task(tmp_path, model_of(PERCEPTRON, PARTS), samples=0)
    made = onnx.load(Path(given.folder) / build_bf16(given).model)
    onnx.checker.check_model(made, full_check=True)
    assert {t.data_type for t in made.graph.initializer} == {onnx.TensorProto.BFLOAT16}


@pytest.mark.parametrize("build", [build_fp16, build_fp8])
def test_narrow_ranges_need_samples(build: Any, tmp_path: Path) -> None:
    with pytest.raises(Declined, match="calibration samples"):
        build(task(tmp_path, model_of(PERCEPTRON, PARTS), samples=0))
