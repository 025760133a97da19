"""Small graphs for TensorRT, and tasks to build plans of them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.tasks import BuildTask

WIDTH = 64
ROWS = TensorSpec(name="x", dtype="float32", shape=(None, WIDTH))


def matmul_net(kind: int = TensorProto.FLOAT, rows: int | str = "N") -> onnx.ModelProto:
    """x [N,64] → MatMul → y [N,64], all of one element type."""
    numbers = np.random.default_rng(3).normal(0, 1, WIDTH * WIDTH)
    weights = helper.make_tensor("w", kind, [WIDTH, WIDTH], numbers.tolist())
    return _model([helper.make_node("MatMul", ["x", "w"], ["y"], name="product")], [weights], kind, rows)


def quantized_net(kind: int, rows: int | str = "N") -> onnx.ModelProto:
    """As `matmul_net`, both operands through QuantizeLinear and DequantizeLinear of an element type."""
    numbers = np.random.default_rng(3).normal(0, 1, (WIDTH, WIDTH)).astype(np.float32)
    constants = [
        numpy_helper.from_array(numbers, "w"),
        numpy_helper.from_array(np.float32(0.1), "scale"),
        helper.make_tensor("zero", kind, [], [0]),
    ]
    pairs = []
    for name in ("x", "w"):
        pairs += [
            helper.make_node("QuantizeLinear", [name, "scale", "zero"], [f"{name}q"]),
            helper.make_node("DequantizeLinear", [f"{name}q", "scale", "zero"], [f"{name}d"]),
        ]
    nodes = [*pairs, helper.make_node("MatMul", ["xd", "wd"], ["y"], name="product")]
    return _model(nodes, constants, TensorProto.FLOAT, rows)


def unknown_net() -> onnx.ModelProto:
    """Relu, an operator that nobody has, Relu."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node("Nonsense", ["a"], ["b"], name="strange", domain="of.nobody"),
        helper.make_node("Relu", ["b"], ["y"], name="last"),
    ]
    return _model(nodes, [], TensorProto.FLOAT, "N")


def plan_task(folder: Path, model: onnx.ModelProto, **changes: Any) -> BuildTask:
    """A task to build a plan of a model for compute capability 8.9, on a machine without a device."""
    path = folder / "net.onnx"
    onnx.save(model, str(path))
    task = BuildTask(
        run="burnish_optimizer.backends.tensorrt_rtx:build",
        model=str(path),
        folder=str(folder / "candidate"),
        shared=str(folder / "shared"),
        inputs=(ROWS,),
        calibration=None,
        threads=1,
        facts={"arch": "x86_64"},
        target={"gpu_capability": "8.9"},
    )
    return task.model_copy(update=changes)


def _model(nodes: list[Any], constants: list[Any], kind: int, rows: int | str) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, [rows, WIDTH])],
        [helper.make_tensor_value_info("y", kind, [rows, WIDTH])],
        constants,
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("of.nobody", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)
