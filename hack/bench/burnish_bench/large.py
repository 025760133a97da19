"""Models that are large in one way: 5 GB of weights beside the model, 500 MB inside of it, 100,000 nodes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

WIDTH = 8192
LAYERS = 19
BLOCK_ROWS = 512
INNER_WIDTH, INNER_LAYERS = 2048, 30
DATA = "weights.bin"
OPSET = 17


def heavy(folder: Path, layers: int = LAYERS, width: int = WIDTH) -> Path:
    """`layers` × Relu(Identity(x·W + b)), W [width, width] float32 in a file of its own: 5.1 GB.

    Made on disk, and never held in memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    block = np.random.default_rng(0).standard_normal((BLOCK_ROWS, width), dtype=np.float32) * width**-0.5
    with (folder / DATA).open("wb") as file:
        for number in range(layers * width // BLOCK_ROWS):
            file.write(np.roll(block, number, axis=1).tobytes())
    nodes = [node for number in range(layers) for node in _layer(number, layers)]
    weights = [each for number in range(layers) for each in _weights(number, width)]
    return _save(folder, nodes, weights, width)


def embedded(folder: Path, layers: int = INNER_LAYERS, width: int = INNER_WIDTH) -> Path:
    """The same with its weights inside: 503 MB."""
    path = heavy(folder, layers, width)
    onnx.save(onnx.load(path), path)
    (folder / DATA).unlink()
    return path


def _layer(number: int, layers: int) -> Iterator[NodeProto]:
    end = "y" if number == layers - 1 else f"x{number + 1}"
    yield helper.make_node("MatMul", [f"x{number}", f"w{number}"], [f"m{number}"])
    yield helper.make_node("Add", [f"m{number}", f"b{number}"], [f"a{number}"])
    yield helper.make_node("Identity", [f"a{number}"], [f"i{number}"])
    yield helper.make_node("Relu", [f"i{number}"], [end])


def _weights(number: int, width: int) -> Iterator[TensorProto]:
    size = width * width * 4
    tensor = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[width, width])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", DATA), ("offset", str(number * size)), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    yield tensor
    yield numpy_helper.from_array(np.full(width, 0.01 * number, np.float32), f"b{number}")


def long(folder: Path, nodes: int = 100_000) -> Path:
    """A chain of additions with a branch at every tenth node, whose ends are added up again."""
    folder.mkdir(parents=True, exist_ok=True)
    chain: list[NodeProto] = []
    value, side = "x0", "x0"
    while len(chain) < nodes - 1:
        op, inputs = _step(len(chain), value, side)
        side = value if len(chain) % 10 == 0 else side
        value = f"v{len(chain)}"
        chain.append(helper.make_node(op, inputs, [value]))
    chain.append(helper.make_node("Relu", [value], ["y"]))
    return _save(folder, chain, [numpy_helper.from_array(np.array([0.001], np.float32), "c")], 8)


def _step(number: int, value: str, side: str) -> tuple[str, list[str]]:
    match number % 10:
        case 3 | 7:
            return "Identity", [value]
        case 9:
            return "Max", [value, side]
        case 5:
            return "Tanh", [value]
        case _:
            return "Add", [value, "c"]


def _save(folder: Path, nodes: list[NodeProto], weights: list[TensorProto], width: int) -> Path:
    inputs = [helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["N", width])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", width])]
    graph = helper.make_graph(nodes, "large", inputs, outputs, weights)
    model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    x = np.random.default_rng(1).standard_normal((2, width), dtype=np.float32)
    (folder / "input_0.pb").write_bytes(numpy_helper.from_array(x, "x0").SerializeToString())
    onnx.checker.check_model(str(path))
    return path
