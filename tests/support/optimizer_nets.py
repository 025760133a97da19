"""Small real networks and data for the optimizer's tests, and builders that misbehave on purpose."""

import itertools
import os
import signal
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.tasks import BuildResult, BuildTask

CLASSES = 4
SHAPE = (3, 16, 16)
WIDTH = 8
INPUT = TensorSpec(name="x", dtype="float32", shape=(None, *SHAPE))


def conv_net(opset: int = 17, *, identities: int = 1, seed: int = 1) -> onnx.ModelProto:
    """x [N,3,16,16] → Conv → Relu → Identity… → GlobalAveragePool → Flatten → Gemm ×2 → scores [N,4]."""
    rng = np.random.default_rng(seed)
    weights = {
        "conv_w": rng.normal(0, 0.5, (WIDTH, 3, 3, 3)),
        "conv_b": rng.normal(0, 0.1, WIDTH),
        "hidden_w": rng.normal(0, 0.2, (WIDTH, 512)),
        "hidden_b": rng.normal(0, 0.1, 512),
        "last_w": rng.normal(0, 0.2, (512, CLASSES)),
        "last_b": rng.normal(0, 0.1, CLASSES),
        "never_used": rng.normal(0, 1.0, 64),
    }
    names = ["active", *(f"same{i}" for i in range(identities))]
    nodes = [
        helper.make_node("Conv", ["x", "conv_w", "conv_b"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["active"]),
        *(helper.make_node("Identity", [a], [b]) for a, b in itertools.pairwise(names)),
        helper.make_node("GlobalAveragePool", [names[-1]], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "hidden_w", "hidden_b"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["hidden_active"]),
        helper.make_node("Gemm", ["hidden_active", "last_w", "last_b"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save_net(path: Path, **options: int) -> Path:
    """Write `conv_net` to a file."""
    onnx.save(conv_net(**options), str(path))
    return path


def save_samples(path: Path, count: int = 24, *, labelled: bool = False, seed: int = 5) -> Path:
    """A stacked `.npz` of random images."""
    rng = np.random.default_rng(seed)
    arrays = {"x": rng.normal(0, 1, (count, *SHAPE)).astype(np.float32)}
    if labelled:
        arrays["label"] = rng.integers(0, CLASSES, count)
    np.savez(path, **arrays)
    return path


def data(path: Path) -> DataSpec:
    """A set as workers are told of it."""
    return DataSpec(path=str(path))


def build_same(task: BuildTask) -> BuildResult:
    """The source, unchanged."""
    Path(task.folder, "model.onnx").write_bytes(Path(task.model).read_bytes())
    return BuildResult(model="model.onnx")


def build_wrong(task: BuildTask) -> BuildResult:
    """The source with its last weights negated: wrong on every sample."""
    model = onnx.load(task.model)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("last"):
            tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, str(Path(task.folder) / "model.onnx"))
    return BuildResult(model="model.onnx")


def build_nan(task: BuildTask) -> BuildResult:
    """The source with a weight that is no number."""
    model = onnx.load(task.model)
    tensor = next(t for t in model.graph.initializer if t.name == "last_b")
    tensor.CopyFrom(numpy_helper.from_array(np.full(CLASSES, np.nan, np.float32), tensor.name))
    onnx.save(model, str(Path(task.folder) / "model.onnx"))
    return BuildResult(model="model.onnx")


def build_mixing(task: BuildTask) -> BuildResult:
    """Right for one row; in a batch every row gets a share of the others."""
    model = onnx.load(task.model)
    model.graph.node[-1].output[0] = "alone"
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "rows"))
    model.graph.node.append(helper.make_node("ReduceMean", ["alone", "rows"], ["mean"], keepdims=1))
    model.graph.node.append(helper.make_node("Add", ["alone", "mean"], ["twice"]))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "half"))
    model.graph.node.append(helper.make_node("Mul", ["twice", "half"], ["scores"]))
    onnx.save(model, str(Path(task.folder) / "model.onnx"))
    return BuildResult(model="model.onnx")


def build_declined(task: BuildTask) -> BuildResult:
    """Not for this model."""
    raise Declined("this recipe is for other models")


def build_crash(task: BuildTask) -> BuildResult:
    """As a native library that segfaults."""
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def build_raise(task: BuildTask) -> BuildResult:
    """A plain exception."""
    raise RuntimeError("the converter gave up")


def build_hang(task: BuildTask) -> BuildResult:
    """Never ends."""
    time.sleep(3600)
    raise AssertionError


def build_greedy(task: BuildTask) -> BuildResult:
    """Takes memory until somebody stops it (or a bound that no test machine minds)."""
    hoard = []
    for _ in range(40):
        hoard.append(np.ones(8 << 20))
        time.sleep(0.02)
    return BuildResult(model=str(len(hoard)))


def build_told(task: BuildTask) -> BuildResult:
    """Says which samples it was given to calibrate with."""
    assert task.calibration is not None
    raise Declined(task.calibration.model_dump_json(exclude={"path"}))
