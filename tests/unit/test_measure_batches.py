"""Whether requests may share a run of an engine is tried on the engine itself."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from burnish_engine.descriptor import RunOptions, TensorSpec
from burnish_engine.request import Backend, Precision
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.measure.batches import SIZES, try_batches
from burnish_optimizer.tasks import BatchesTaken
from burnish_runtime.load import open_session
from support.onnx_models import CPU_BACKENDS, identity, layers, model_of

X, Y = (TensorSpec(name=name, dtype="float32", shape=(None, 32)) for name in "xy")
GENERATOR = np.random.default_rng(5)
SAMPLES: list[Feeds] = [{"x": GENERATOR.standard_normal((1, 32)).astype(np.float32)} for _ in range(3)]


def tried(
    folder: Path,
    model: onnx.ModelProto,
    samples: Sequence[Feeds] = SAMPLES,
    *,
    backend: Backend = Backend.ONNXRUNTIME,
    precision: Precision = Precision.FP32,
) -> BatchesTaken:
    onnx.save(model, folder / "model.onnx")
    session = open_session(folder / "model.onnx", backend, RunOptions(threads=1))
    return try_batches(session, samples, precision)


def net(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    return model_of(nodes, [X], [Y])


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_independent_rows_are_found_and_measured(tmp_path: Path, backend: Backend) -> None:
    batching = tried(tmp_path, layers(), backend=backend).batching
    assert batching is not None
    assert batching.max_rows in SIZES[1:]
    assert batching.deviation < 1e-5
    assert list(batching.seconds) == [size for size in SIZES if size <= batching.max_rows]
    assert all(seconds > 0 for seconds in batching.seconds.values())


def test_copies_are_equal_to_the_byte(tmp_path: Path) -> None:
    batching = tried(tmp_path, identity(shape=(None, 32))).batching
    assert batching is not None
    assert batching.deviation == 0.0


def test_one_sample_is_enough_to_find_what_looks_at_its_companions(tmp_path: Path) -> None:
    mean = helper.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1)
    model = net(mean, helper.make_node("Sub", ["x", "m"], ["y"]))
    taken = tried(tmp_path, model, SAMPLES[:1])
    assert taken.batching is None
    assert "beside a row" in taken.note


def test_a_scale_that_is_taken_over_the_whole_batch_is_found(tmp_path: Path) -> None:
    """What dynamic quantization of whole tensors does."""
    quantize = helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"])
    taken = tried(tmp_path, net(quantize, helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])))
    assert taken.batching is None


def test_answers_without_rows_are_no_batch(tmp_path: Path) -> None:
    model = net(helper.make_node("ReduceMax", ["x"], ["y"], axes=[0], keepdims=1))
    assert tried(tmp_path, model).batching is None


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [{"x": np.zeros((2, 32), np.float32)}, {"x": np.zeros((3, 32), np.float32)}],
        [{"x": np.zeros((0, 32), np.float32)}],
    ],
    ids=["none", "ragged", "empty"],
)
def test_samples_that_are_no_rows_prove_nothing(tmp_path: Path, samples: list[Feeds]) -> None:
    assert tried(tmp_path, layers(), samples).batching is None


def test_rows_of_measured_batches_are_rows_too(tmp_path: Path) -> None:
    batch = {"x": np.concatenate([sample["x"] for sample in SAMPLES])}
    assert tried(tmp_path, layers(), [batch]).batching is not None


def test_a_fixed_batch_axis_is_told(tmp_path: Path) -> None:
    taken = tried(tmp_path, identity(shape=(1, 32)))
    assert taken.batching is None
    assert "fixed" in taken.note
