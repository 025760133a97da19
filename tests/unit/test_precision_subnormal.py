"""Subnormal weights: which become 0, which stay, and that answers do not change."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_engine.descriptor import RunOptions, TensorSpec
from burnish_engine.request import Backend
from burnish_optimizer.backends import onnxruntime
from burnish_optimizer.errors import Declined
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.precision.prepared import prepare
from burnish_optimizer.precision.subnormal import clear, clear_file
from burnish_optimizer.precision.weight_only.build import build as build_weights
from burnish_optimizer.tasks import BuildTask
from burnish_runtime.load import open_session
from support.fusion import model_of, random_feeds

TINY = 1e-40
TWO = "(float[N,8] x) => (float[N,4] y) {a = MatMul(x, w) b = Relu(a) y = Gemm(b, v, c)}"


def weights(*dims: int, kind: Any = np.float32) -> np.ndarray[Any, Any]:
    """Normal numbers, every other one subnormal."""
    made = np.random.default_rng(3).normal(size=dims).astype(kind)
    made.reshape(-1)[::2] = TINY
    return made


def two_products() -> onnx.ModelProto:
    return model_of(TWO, {"w": weights(8, 16), "v": weights(16, 4), "c": weights(4)})


def cleared(model: onnx.ModelProto) -> onnx.ModelProto:
    made = ir.from_proto(model)
    clear(made)
    proto = ir.to_proto(made)
    onnx.checker.check_model(proto)
    return proto


def left(model: onnx.ModelProto) -> dict[str, int]:
    """Subnormal numbers by the name of the initializer."""
    found = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    floats = {name: a for name, a in found.items() if a.dtype.kind == "f"}
    return {n: int(((a != 0) & (np.abs(a) < np.finfo(a.dtype).tiny)).sum()) for n, a in floats.items()}


def test_factors_and_biases_of_products_become_zero_and_answers_stay() -> None:
    model = two_products()
    found = clear(ir.from_proto(model))
    assert (found.weights, found.count) == (64 + 32 + 2, 128 + 64 + 4)
    assert found.notes == (
        "98 of 196 weights (50 %) were subnormal (closer to 0 than 1.2e-38, slow to compute with) and are 0",
    )
    after = cleared(model)
    assert not any(left(after).values())
    feeds = random_feeds(model)
    assert_same(Executable(after).run(feeds)["y"], Executable(model).run(feeds)["y"])


def assert_same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> None:
    """Equal but for what sums of subnormal products come to."""
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-36)


STAY = {
    "an epsilon": "(float[N,8] x) => (float[N,8] y) {a = Add(x, w) y = Div(x, a)}",
    "shared with a sum": "(float[N,8] x) => (float[N,8] y) {a = MatMul(x, w) y = Add(a, w)}",
    "an output too": "(float[N,8] x) => (float[N,8] y, float[8,8] w) {y = MatMul(x, w)}",
    "a default": "(float[N,8] x, float[8,8] w) => (float[N,8] y) {y = MatMul(x, w)}",
}


@pytest.mark.parametrize("why", STAY)
def test_what_may_matter_elsewhere_stays(why: str) -> None:
    assert left(cleared(model_of(STAY[why], {"w": weights(8, 8)}))) == {"w": 32}


def test_subnormal_numbers_of_fp16_are_numbers() -> None:
    half = np.full((8, 8), 1e-6, np.float16)
    model = model_of("(float16[N,8] x) => (float16[N,8] y) {y = MatMul(x, w)}", {"w": half})
    assert left(cleared(model)) == {"w": 64}


def test_double_precision_has_limits_of_its_own() -> None:
    double = np.array([[TINY, 1e-310]])
    model = model_of("(double[N,1] x) => (double[N,2] y) {y = MatMul(x, w)}")
    model.graph.initializer.append(onnx.numpy_helper.from_array(double, "w"))
    (after,) = cleared(model).graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(after), [[TINY, 0.0]])


def test_constants_and_bodies_are_seen() -> None:
    bodies = ", ".join(
        f"{name} = {name} () => (float[N,1] {name}_o) "
        f"{{ {name}_w = Constant <value = float[1,1] {{1e-40}}> () {name}_o = MatMul(x, {name}_w) }}"
        for name in ("then_branch", "else_branch")
    )
    model = model_of(f"(float[N,1] x, bool b) => (float[N,1] y) {{ y = If (b) <{bodies}> }}")
    made = ir.from_proto(model)
    assert clear(made).weights == 2
    assert clear(made).weights == 0
    onnx.checker.check_model(ir.to_proto(made))


def test_each_tensor_is_told_when_it_is_made() -> None:
    told: list[int] = []
    clear(ir.from_proto(two_products()), told.append)
    assert told == [4 * 128, 4 * 64, 4 * 4]


def task(folder: Path, model: onnx.ModelProto, **settings: str) -> BuildTask:
    onnx.save(model, folder / "source.onnx")
    (folder / "out").mkdir()
    return BuildTask(
        run="",
        model=str(folder / "source.onnx"),
        folder=str(folder / "out"),
        shared=str(folder),
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 8)),),
        calibration=None,
        threads=1,
        facts={},
        settings=settings,
    )


def test_the_flushed_candidate_answers_as_the_source_does(tmp_path: Path) -> None:
    given = task(tmp_path, two_products())
    source = Path(given.model).read_bytes()
    built = onnxruntime.build_flushed(given)
    made = Path(given.folder) / built.model
    assert "were subnormal" in built.notes[0]
    assert not any(left(onnx.load(made)).values())
    assert Path(given.model).read_bytes() == source
    feeds = random_feeds(two_products())
    one, other = (
        open_session(path, Backend.ONNXRUNTIME, RunOptions(threads=1)).run(feeds)["y"]
        for path in (Path(given.model), made)
    )
    assert_same(one, other)


def test_nothing_of_it_leaks_into_the_process_that_built_and_runs_it(tmp_path: Path) -> None:
    given = task(tmp_path, two_products())
    built = onnxruntime.build_flushed(given)
    feeds = random_feeds(two_products())
    open_session(Path(given.folder) / built.model, Backend.ONNXRUNTIME, RunOptions(threads=1)).run(feeds)
    assert np.float32(TINY) * np.float32(1.0) != 0
    scaled = model_of("(float[N,8] x) => (float[N,8] y) {y = Mul(x, one)}", {"one": np.ones(1, np.float32)})
    onnx.save(scaled, tmp_path / "scaled.onnx")
    session = open_session(tmp_path / "scaled.onnx", Backend.ONNXRUNTIME, RunOptions(threads=1))
    assert np.all(session.run({"x": np.full((1, 8), TINY, np.float32)})["y"] != 0)


def test_a_model_without_any_is_declined_before_it_is_built(tmp_path: Path) -> None:
    given = task(tmp_path, model_of(STAY["an epsilon"], {"w": weights(8, 8)}))
    with pytest.raises(Declined, match="subnormal"):
        onnxruntime.build_flushed(given)
    assert not list(Path(given.folder).iterdir())


def test_a_file_without_any_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(cleared(two_products()), path)
    before = path.stat().st_mtime_ns
    assert clear_file(path).notes == ()
    assert path.stat().st_mtime_ns == before


def test_layers_that_quantizers_leave_alone_have_none(tmp_path: Path) -> None:
    given = task(tmp_path, two_products())
    target = tmp_path / "prepared.onnx"
    assert not any(left(prepare(given, target)).values())
    assert not any(left(onnx.load(target)).values())


def test_layers_beside_weights_in_few_bits_have_none(tmp_path: Path) -> None:
    settings = {"method": "rtn", "bits": "4", "block": "32", "keep": '["a"]'}
    wide = {"w": weights(8, 256), "v": weights(256, 128), "c": weights(128)}
    model = model_of(TWO.replace("[N,4] y", "[N,128] y"), wide)
    built = build_weights(task(tmp_path, model, **settings))
    assert "were subnormal" in built.notes[0]
    assert left(onnx.load(tmp_path / "out" / built.model))["w"] == 0
