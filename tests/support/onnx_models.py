"""Small real ONNX models, and engine folders around them that really run."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from burnish_engine import digest
from burnish_engine.descriptor import (
    ENGINE_FILE,
    GOLDEN_FILE,
    REPORT_FILE,
    REPORT_PAGE,
    EngineDescriptor,
    RunOptions,
    TensorSpec,
)
from burnish_engine.request import Backend, Precision
from burnish_runtime import golden
from burnish_runtime.load import open_engine, warm_up_shapes, zeros

KEY = "0123456789abcdef" * 4
DTYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "bool": TensorProto.BOOL,
    "object": TensorProto.STRING,
    **{f"{sign}int{bits}": getattr(TensorProto, f"{sign.upper()}INT{bits}")
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    initializers: Sequence[onnx.TensorProto] = (),
) -> onnx.ModelProto:
    """A checked model. Dynamic dimensions get a name each."""
    graph = helper.make_graph(
        nodes, "test", [_value(s) for s in inputs], [_value(s) for s in outputs], initializers
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def identity(dtype: str = "float32", shape: tuple[int | None, ...] = (None, 3)) -> onnx.ModelProto:
    """`y = x`."""
    return model_of(
        [helper.make_node("Identity", ["x"], ["y"])],
        [TensorSpec(name="x", dtype=dtype, shape=shape)],
        [TensorSpec(name="y", dtype=dtype, shape=shape)],
    )


# Backends that need no device: they run wherever the tests do.
CPU_BACKENDS = (Backend.ONNXRUNTIME, Backend.OPENVINO)
ADD_INPUTS = tuple(TensorSpec(name=name, dtype="float32", shape=(None, 3)) for name in ("a", "b"))
ADD_OUTPUTS = tuple(TensorSpec(name=name, dtype="float32", shape=(None, 3)) for name in ("sum", "product"))


def add_and_multiply(
    inputs: Sequence[TensorSpec] = ADD_INPUTS, outputs: Sequence[TensorSpec] = ADD_OUTPUTS
) -> onnx.ModelProto:
    """`sum = a + b`, `product = a * b`."""
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "b"], ["product"])]
    return model_of(nodes, inputs, outputs)


def layers(width: int = 32, seed: int = 0) -> onnx.ModelProto:
    """`y = relu(x W) V`: sums whose order may depend on how many rows there are."""
    generator = np.random.default_rng(seed)
    weights = [numpy_helper.from_array(generator.standard_normal(shape).astype(np.float32), name)
               for name, shape in (("W", (width, 4 * width)), ("V", (4 * width, width)))]  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "V"], ["y"]),
    ]
    x, y = (TensorSpec(name=name, dtype="float32", shape=(None, width)) for name in "xy")
    return model_of(nodes, [x], [y], weights)


SCALE_INPUTS = (TensorSpec(name="x", dtype="float32", shape=(None, 3)),)
SCALE_OUTPUTS = (TensorSpec(name="y", dtype="float32", shape=(None, 3)),)


def write_scaler(folder: Path, factor: float) -> Path:
    """The engine of `y = x * factor`, with a golden answer: its answers tell which engine gave them."""
    constant = helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])
    node = helper.make_node("Mul", ["x", "factor"], ["y"])
    model = model_of([node], SCALE_INPUTS, SCALE_OUTPUTS, [constant])
    return add_golden(write_running_engine(folder, model, SCALE_INPUTS, SCALE_OUTPUTS))


def long_loop() -> onnx.ModelProto:
    """`y` = 1 added `n` times to 0, one by one: as slow as the caller asks for."""
    n = TensorSpec(name="n", dtype="int64", shape=(1,))
    y = TensorSpec(name="y", dtype="float32", shape=(1,))
    body = helper.make_graph(
        [
            helper.make_node("Add", ["carried", "one"], ["next"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("index", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])],
    )
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("true", TensorProto.BOOL, [], [True]),
        helper.make_tensor("scalar", TensorProto.INT64, [0], []),
    ]
    nodes = [
        helper.make_node("Reshape", ["n", "scalar"], ["trips"]),
        helper.make_node("Loop", ["trips", "true", "zero"], ["y"], body=body),
    ]
    return model_of(nodes, [n], [y], constants)


LOOP_INPUTS = (TensorSpec(name="n", dtype="int64", shape=(1,)),)
LOOP_OUTPUTS = (TensorSpec(name="y", dtype="float32", shape=(1,)),)


def write_running_engine(
    folder: Path,
    model: onnx.ModelProto,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    /,
    *,
    backend: Backend = Backend.ONNXRUNTIME,
    name: str = "tiny",
    **changes: object,
) -> Path:
    """An engine folder that a server can load and run."""
    (folder / "model").mkdir(parents=True)
    onnx.save(model, folder / "model/model.onnx")
    descriptor = EngineDescriptor(
        name=name,
        key=KEY,
        source_digest="sha256:" + "5" * 64,
        backend=backend,
        precision=Precision.FP32,
        recipe=f"{backend.value}-fp32",
        model="model/model.onnx",
        inputs=inputs,
        outputs=outputs,
        options=RunOptions(threads=1),
        target={"name": "cpu-test"},
        toolchain={"burnish": "0"},
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    ).model_copy(update=changes)
    (folder / ENGINE_FILE).write_text(descriptor.model_dump_json(), "utf-8")
    return folder


def write_adder(folder: Path, backend: Backend = Backend.ONNXRUNTIME) -> Path:
    """The engine of `add_and_multiply`."""
    return write_running_engine(folder, add_and_multiply(), ADD_INPUTS, ADD_OUTPUTS, backend=backend)


def add_golden(folder: Path) -> Path:
    """Let an engine record what it answers here."""
    engine = open_engine(folder)
    feeds = {
        spec.name: zeros(spec.dtype, shapes[spec.name])
        for shapes in warm_up_shapes(engine.descriptor)[:1]
        for spec in engine.session.inputs
    }
    feeds = {name: array + 1 if array.dtype.kind == "f" else array for name, array in feeds.items()}
    recorded = golden.record(engine.session, feeds, engine.descriptor.precision, folder / GOLDEN_FILE)
    engine.session.close()
    files = {
        name: digest.of_file(folder / name)
        for name in (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        if name not in (ENGINE_FILE, REPORT_FILE, REPORT_PAGE)
    }
    changed = engine.descriptor.model_copy(update={"golden": recorded, "files": files})
    (folder / ENGINE_FILE).write_text(changed.model_dump_json(), "utf-8")
    return folder


def _value(spec: TensorSpec) -> onnx.ValueInfoProto:
    shape = [f"{spec.name}_{axis}" if size is None else size for axis, size in enumerate(spec.shape)]
    return helper.make_tensor_value_info(spec.name, DTYPES[spec.dtype], shape)
