"""Weights in few bits: codes, packing, and what ONNX Runtime computes with them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_engine.conversion import WeightConversion
from burnish_engine.descriptor import TensorSpec
from burnish_engine.request import Backend
from burnish_optimizer.backends.onnxruntime_weight_parts import parts
from burnish_optimizer.errors import Declined, InvalidJob
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.precision.large import drop_unused
from burnish_optimizer.precision.sensitivity import SensitivityTask, measure
from burnish_optimizer.precision.weight_only.build import build
from burnish_optimizer.precision.weight_only.grid import Grid
from burnish_optimizer.precision.weight_only.moments import Samples, grouped, moments
from burnish_optimizer.precision.weight_only.plan import Method, Plan, plan_of
from burnish_optimizer.precision.weight_only.quantize import WeightReport, quantize_weights
from burnish_optimizer.precision.weight_only.rtn import rtn
from burnish_optimizer.rewrite.shapes import ensure_shapes
from burnish_optimizer.tasks import BuildTask
from support.fusion import model_of, random_feeds

RNG = np.random.default_rng(11)
SMALL = 16


def weights(*dims: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=dims).astype(np.float32)


def quantized(
    model: onnx.ModelProto, plan: Plan, samples: Samples | None = None
) -> tuple[onnx.ModelProto, WeightReport]:
    made = ir.from_proto(model)
    ensure_shapes(made)
    report = quantize_weights(made, plan, samples)
    drop_unused(made)
    proto = ir.to_proto(made)
    onnx.checker.check_model(proto)
    return proto, report


def answer(model: onnx.ModelProto, feeds: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    return next(iter(Executable(model).run(feeds).values()))


def plan(bits: int = 4, block: int = 32, method: Method = Method.RTN, **more: Any) -> Plan:
    symmetric = more.pop("symmetric", False)
    return Plan(method=method, grid=Grid(bits, block, symmetric), least_elements=SMALL, **more)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("block", [16, 32, 128])
@pytest.mark.parametrize("depth", [7, 64, 100])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_kernel_computes_with_the_numbers_that_the_codes_stand_for(
    bits: int, block: int, depth: int, symmetric: bool
) -> None:
    weight = weights(depth, 33)
    model = model_of("(float[2,N,K] x) => (float[2,N,33] y) {y = MatMul(x, w)}", {"w": weight})
    made, report = quantized(model, plan(bits, block, symmetric=symmetric))
    assert [node.op_type for node in made.graph.node] == ["MatMulNBits"]
    assert len(report.done) == 1
    x = weights(2, 5, depth)
    grid = Grid(bits, block, symmetric)
    expected = x.astype(np.float64) @ rtn(weight.T, grid).dequantized(grid).T
    assert np.allclose(answer(made, {"x": x}), expected, rtol=0, atol=2e-6 * np.abs(expected).max())


FORMS = {
    "product": ("y = MatMul(x, w)", {"w": weights(40, 24)}),
    "product and bias": ("a = MatMul(x, w) y = Add(c, a)", {"w": weights(40, 24), "c": weights(24)}),
    "gemm": ("y = Gemm<alpha = 0.5, beta = 2.0>(x, w, c)", {"w": weights(40, 24), "c": weights(1, 24)}),
    "gemm, turned": ("y = Gemm<transB = 1>(x, w, c)", {"w": weights(24, 40), "c": weights(24)}),
    "gemm alone": ("y = Gemm<transB = 1>(x, w)", {"w": weights(24, 40)}),
    "a matrix is added": ("a = MatMul(x, w) y = Add(a, c)", {"w": weights(40, 24), "c": weights(3, 24)}),
    "in a branch": (
        "t = Constant<value = bool {1}>() y = If(t) <then_branch = th () => (a) {a = MatMul(x, w)},"
        " else_branch = el () => (b) {b = Neg(z)}>",
        {"w": weights(40, 24), "z": weights(3, 24)},
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_product_keeps_its_answer(name: str) -> None:
    body, constants = FORMS[name]
    model = model_of(f"(float[3,40] x) => (float[3,24] y) {{{body}}}", constants)
    made, report = quantized(model, plan(8, 16))
    feeds = random_feeds(model)
    expected = answer(model, feeds)
    assert len(report.done) == 1, report.kept
    assert np.abs(answer(made, feeds) - expected).max() < 0.02 * np.abs(expected).max()


def test_a_bias_becomes_part_of_the_kernel() -> None:
    body, constants = FORMS["product and bias"]
    model = model_of(f"(float[3,40] x) => (float[3,24] y) {{{body}}}", constants)
    assert [n.op_type for n in quantized(model, plan())[0].graph.node] == ["MatMulNBits"]


def test_a_bias_of_more_axes_stays_an_addition() -> None:
    model = model_of(
        "(float[3,40] x) => (float[1,3,24] y) {a = MatMul(x, w) y = Add(a, c)}",
        {"w": weights(40, 24), "c": weights(1, 1, 24)},
    )
    made, _ = quantized(model, plan(8))
    feeds = random_feeds(model)
    assert answer(made, feeds).shape == answer(model, feeds).shape == (1, 3, 24)


def test_shared_weights_are_quantized_once() -> None:
    model = model_of(
        "(float[3,32] x) => (float[3,32] y) {a = MatMul(x, w) b = Relu(a) y = MatMul(b, w)}",
        {"w": weights(32, 32)},
    )
    made, report = quantized(model, plan())
    assert len(report.done) == 2
    assert len(made.graph.initializer) == 3
    first, second = report.done.values()
    assert first.bytes_before == 4 * 32 * 32
    assert (second.bytes_before, second.bytes_after, second.note) == (0, 0, "the weights of a")
    products = [n for n in made.graph.node if n.op_type == "MatMulNBits"]
    assert products[0].input[1:] == products[1].input[1:]


def test_columns_of_zeros_stay_exactly_zero() -> None:
    weight = weights(40, 8)
    weight[:, 3] = 0
    for method in (Method.RTN, Method.HQQ):
        for symmetric in (False, True):
            model = model_of("(float[3,40] x) => (float[3,8] y) {y = MatMul(x, w)}", {"w": weight})
            made, _ = quantized(model, plan(method=method, symmetric=symmetric))
            found = answer(made, random_feeds(model))
            assert not found[:, 3].any()
            assert found[:, 4].any()


REASONS = {
    "NaN or infinity": (
        "y = MatMul(x, w)",
        {"w": np.full((40, 24), np.nan, np.float32)},
    ),
    "fewer than": ("s = MatMul(x, w) y = MatMul(s, v)", {"w": weights(40, 1), "v": weights(1, 24)}),
    "one matrix": ("y = MatMul(x, w)", {"w": weights(1, 40, 24)}),
    "transA": ("t = Transpose(x) y = Gemm<transA = 1>(t, w)", {"w": weights(40, 24)}),
    "one constant an output": ("y = Gemm(x, w, c)", {"w": weights(40, 24), "c": weights(3, 24)}),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_cannot_have_fewer_bits_says_why(reason: str) -> None:
    body, constants = REASONS[reason]
    model = model_of(f"(float[3,40] x) => (float[3,24] y) {{{body}}}", constants)
    made, report = quantized(model, Plan(grid=Grid(), least_elements=64))
    assert not report.done
    assert any(reason in why for why in report.kept.values()), report.kept
    feeds = random_feeds(model)
    assert np.array_equal(answer(made, feeds), answer(model, feeds), equal_nan=True)


def test_layers_are_given_back_by_the_name_of_node_or_output() -> None:
    model = model_of(
        "(float[3,40] x) => (float[3,24] y) {a = MatMul(x, w) y = MatMul(a, v)}",
        {"w": weights(40, 40), "v": weights(40, 24)},
    )
    model.graph.node[0].name = "first"
    for names, left in (({"first"}, 1), ({"a"}, 1), ({"y", "first"}, 0)):
        _, report = quantized(model, plan(excluded=frozenset(names)))
        assert len(report.done) == left
        assert set(report.kept.values()) == {"excluded"}


def test_embeddings_are_read_row_by_row() -> None:
    model = model_of(
        "(int64[2,N] ids) => (float[2,N,24] y) {e = Gather(t, ids) y = MatMul(e, w)}",
        {"t": weights(50, 24) * np.logspace(-3, 3, 50)[:, None], "w": weights(24, 24)},
    )
    made, report = quantized(model, plan(8, 16))
    assert list(report.tables) == ["t"]
    feeds = {"ids": np.array([[0, 49, -1], [7, 7, -50]])}
    expected, found = answer(model, feeds), answer(made, feeds)
    size = np.abs(expected).max(axis=-1, keepdims=True)
    assert np.all(np.abs(found - expected) < 0.03 * size)
    assert {t.data_type for t in made.graph.initializer if t.name.startswith("t/")} == {1, 3}


def test_moments_are_those_of_the_layers_inputs() -> None:
    model = model_of("(float[N,6] x) => (float[N,4] y) {a = Relu(x) y = MatMul(a, w)}", {"w": weights(6, 4)})
    feeds = [{"x": weights(n, 6)} for n in (1, 5, 30)]
    found = moments(ir.from_proto(model), ["a", "x"], Samples(lambda: feeds))
    x = np.concatenate([feed["x"] for feed in feeds]).astype(np.float64)
    for name, values in (("x", x), ("a", np.maximum(x, 0))):
        assert np.allclose(found[name], values.T @ values / len(values), rtol=1e-5)


def test_moments_that_are_not_finite_are_not_told() -> None:
    model = model_of("(float[N,6] x) => (float[N,4] y) {y = MatMul(x, w)}", {"w": weights(6, 4)})
    feeds = [{"x": np.full((2, 6), value, np.float32)} for value in (1.0, np.inf)]
    assert not moments(ir.from_proto(model), ["x"], Samples(lambda: feeds))


def test_groups_of_moments_stay_within_the_limit() -> None:
    depths = {"a": 16, "b": 16, "c": 16, "d": 64, "e": 16}
    assert list(grouped(depths, limit_bytes=2 * 16 * 16 * 4)) == [["a", "b"], ["c"], ["d"], ["e"]]


def test_gptq_rounds_to_nearest_where_nothing_is_known_of_inputs() -> None:
    model = model_of("(float[3,40] x) => (float[3,24] y) {y = MatMul(x, w)}", {"w": weights(40, 24)})
    made, report = quantized(model, plan(method=Method.GPTQ), Samples(list))
    (done,) = report.done.values()
    assert done.method is Method.RTN
    assert "moments" in done.note
    assert made.graph.initializer[0] == quantized(model, plan())[0].graph.initializer[0]


def test_settings_that_mean_nothing_are_refused() -> None:
    for settings in ({"bits": "5"}, {"method": "magic"}, {"symmetric": "yes"}, {"block": "24"}):
        with pytest.raises(InvalidJob, match=next(iter(settings))):
            plan_of(settings, {})


def test_int8_arithmetic_is_for_processors_that_have_it() -> None:
    given = {"accuracy_level": "auto", "exclude": "a, b", "keep": '["c"]'}
    assert plan_of(given, {"features": "AVX2 AVXVNNI"}).accuracy_level == 4
    assert plan_of(given, {"features": "AVX2"}).accuracy_level == 0
    assert plan_of(given, {}).excluded == {"a", "b", "c"}


def task(folder: Path, model: onnx.ModelProto, settings: Mapping[str, str], samples: int = 0) -> BuildTask:
    """A build task for a model with one input x [N, K], which calibrates on normal numbers."""
    onnx.save(model, folder / "source.onnx")
    (folder / "out").mkdir()
    dims = [d.dim_value or None for d in model.graph.input[0].type.tensor_type.shape.dim]
    if samples:
        np.savez(folder / "data.npz", x=weights(samples, dims[1] or 1))
    return BuildTask(
        run="burnish_optimizer.precision.weight_only.build:build",
        model=str(folder / "source.onnx"),
        folder=str(folder / "out"),
        shared=str(folder),
        inputs=(TensorSpec(name="x", dtype="float32", shape=tuple(dims)),),
        calibration=DataSpec(path=str(folder / "data.npz")) if samples else None,
        threads=1,
        facts={},
        settings=dict(settings),
    )


def test_a_model_is_built_from_file_to_file(tmp_path: Path) -> None:
    model = model_of(
        "(float[N,256] x) => (float[N,128] y) {a = MatMul(x, w) y = Gemm(a, v)}",
        {"w": weights(256, 256), "v": weights(256, 128)},
    )
    given = task(tmp_path, model, {"method": "gptq", "bits": "4", "block": "32"}, samples=12)
    built = build(given)
    made = Path(given.folder) / built.model
    assert [p.name for p in made.parent.iterdir()] == [made.name]
    told = built.conversion
    assert isinstance(told, WeightConversion)
    assert [(one.name, one.bits, one.block, one.method) for one in told.layers] == [
        ("a", 4, 32, "gptq"),
        ("y", 4, 32, "gptq"),
    ]
    assert told.bytes_before == 4 * (256 * 256 + 256 * 128)
    assert made.stat().st_size - told.bytes_after < 2048
    assert made.stat().st_size < 0.2 * Path(given.model).stat().st_size
    feeds = random_feeds(model)
    expected = answer(model, feeds)
    error = np.linalg.norm(answer(onnx.load(made), feeds) - expected) / np.linalg.norm(expected)
    assert error < 0.3


TWO = "(float[N,256] x) => (float[N,128] y) {a = MatMul(x, w) y = Gemm(a, v)}"


@pytest.mark.parametrize("method", ["rtn", "gptq"])
def test_what_a_search_keeps_has_8_bits_where_the_recipe_says_so(tmp_path: Path, method: str) -> None:
    model = model_of(TWO, {"w": weights(256, 256), "v": weights(256, 128)})
    settings = {"method": method, "bits": "4", "block": "32", "kept_bits": "8", "keep": '["a"]'}
    given = task(tmp_path, model, settings, samples=12)
    made = onnx.load(Path(given.folder) / build(given).model)
    bits = [
        next(a.i for a in node.attribute if a.name == "bits")
        for node in made.graph.node
        if node.op_type == "MatMulNBits"
    ]
    assert bits == [8, 4]


def test_what_a_search_keeps_is_fp32_where_nothing_says_otherwise(tmp_path: Path) -> None:
    model = model_of(TWO, {"w": weights(256, 256), "v": weights(256, 128)})
    given = task(tmp_path, model, {"bits": "8", "block": "128", "keep": '["a", "y"]'})
    made = onnx.load(Path(given.folder) / build(given).model)
    assert [node.op_type for node in made.graph.node] == ["MatMul", "Gemm"]
    feeds = random_feeds(model)
    assert np.array_equal(answer(made, feeds), answer(model, feeds))


def test_parts_are_the_layers_of_a_weight_and_what_reads_a_table(tmp_path: Path) -> None:
    model = model_of(
        "(float[N,128] x, int64[M] ids) => (float[N,128] y, float[M,128] z)"
        " {a = MatMul(x, w) b = Relu(a) c = MatMul(b, w) y = MatMul(c, v) z = Gather(t, ids)}",
        {"w": weights(128, 128), "v": weights(128, 128), "t": weights(64, 128)},
    )
    feeds = [{"x": weights(3, 128), "ids": np.arange(5)}]
    found = parts(task(tmp_path, model, {"bits": "8", "block": "128"}), feeds)
    assert [part.names for part in found] == [("a", "c"), ("y",), ("z",)]
    assert all(part.seconds_saved for part in found[:2])
    shutil.rmtree(tmp_path / "out")
    in_8_bits = parts(task(tmp_path, model, {"bits": "4", "kept_bits": "8"}), feeds)
    assert [part.names for part in in_8_bits] == [("a", "c"), ("y",)]


def test_each_part_s_loss_and_bytes_are_measured(tmp_path: Path) -> None:
    """One layer's weights are far from normal: their grid is coarse, and it is the first to go back."""
    rough = weights(128, 128)
    rough[::32] *= 60
    model = model_of(
        "(float[N,128] x) => (float[N,128] y) {a = MatMul(x, w) b = Relu(a) y = MatMul(b, v)}",
        {"w": weights(128, 128), "v": rough},
    )
    given = task(tmp_path, model, {"bits": "4", "block": "32", "kept_bits": "8"}, samples=8)
    found = measure(
        SensitivityTask(
            build=given,
            backend=Backend.ONNXRUNTIME,
            parts="burnish_optimizer.backends.onnxruntime_weight_parts:parts",
        )
    ).found
    assert [one.part.names for one in found] == [("a",), ("y",)]
    assert found[1].loss > 2 * found[0].loss
    # 4 of 8 bits, less the scales and zeros that shorter blocks have more of.
    assert all(0.3 * 128 * 128 < one.part.bytes_saved < 0.5 * 128 * 128 for one in found)


def test_a_model_without_products_is_declined(tmp_path: Path) -> None:
    model = model_of("(float[N,8] x) => (float[N,8] y) {y = Relu(x)}")
    with pytest.raises(Declined, match="no MatMul or Gemm"):
        build(task(tmp_path, model, {}))


def test_gptq_without_calibration_is_declined(tmp_path: Path) -> None:
    model = model_of("(float[N,8] x) => (float[N,8] y) {y = MatMul(x, w)}", {"w": weights(8, 8)})
    with pytest.raises(Declined, match="calibration"):
        build(task(tmp_path, model, {"method": "gptq"}))
