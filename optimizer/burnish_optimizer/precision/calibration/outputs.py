"""A model that also tells inner tensors, those that a run asks for and no others.

Each tensor goes through a Slice whose end is an input: 0 for those that a run leaves out (an empty array,
and the tensor itself is given back as soon as the model has used it), and all of it for the others. So one
session, with one copy of the weights, gives any group of tensors of any sample; and a consumer more keeps
every tensor from being optimized away. Shapes are told of all tensors in every run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from burnish_optimizer.errors import InvalidJob
from burnish_optimizer.ingest import light, wire
from burnish_optimizer.ingest.contents import tensors
from burnish_optimizer.rewrite.opset import raise_opset
from burnish_runtime.session import Array

ENDS = "burnish/ends"
ALL = np.iinfo(np.int64).max
WEIGHTS = "burnish-weights.bin"
ALIGNMENT = 4096


@dataclass(frozen=True)
class Asked:
    """The model and where its external data lie. `tensors` are told in their order.

    A run takes `ends`, and gives for tensor i the outputs `value(i)` (float32, flat) and `shape(i)` (int64).
    """

    model: onnx.ModelProto
    base: Path
    tensors: tuple[str, ...]

    def ends(self, chosen: Sequence[str]) -> Mapping[str, Array]:
        """The input that asks for these."""
        wanted = set(chosen)
        return {ENDS: np.array([ALL if name in wanted else 0 for name in self.tensors], dtype=np.int64)}


def value(index: int) -> str:
    """The output with the numbers of a tensor."""
    return f"burnish/value/{index}"


def shape(index: int) -> str:
    """The output with the shape of a tensor."""
    return f"burnish/shape/{index}"


def ask(path: Path, names: Sequence[str], scratch: Path) -> Asked:
    """The model in a file, with these tensors of its main graph as outputs, and no others.

    Large weights stay in files: where they are external, or moved to `scratch`.
    Raises: InvalidJob: no such tensor. Declined: an opset before 10 that cannot be raised.
    """
    model, base = _light(path, scratch)
    _check(model, path, names)
    model = raise_opset(model, least=10)
    graph = model.graph
    del graph.output[:]
    graph.input.append(helper.make_tensor_value_info(ENDS, TensorProto.INT64, [len(names)]))
    graph.initializer.extend(_constant(name, [number]) for name, number in (("zero", 0), ("flat", -1)))
    for index in range(len(names)):
        graph.initializer.append(_constant(f"index/{index}", [index]))
        graph.output.extend(_told(index))
    _place(graph, {name: _asking(index, name) for index, name in enumerate(names)})
    return Asked(model, base, tuple(names))


def _asking(index: int, name: str) -> list[onnx.NodeProto]:
    flat, end, part = (f"burnish/{what}/{index}" for what in ("flat", "end", "part"))
    return [
        helper.make_node("Shape", [name], [shape(index)]),
        helper.make_node("Reshape", [name, "burnish/flat"], [flat]),
        helper.make_node("Gather", [ENDS, f"burnish/index/{index}"], [end]),
        helper.make_node("Slice", [flat, "burnish/zero", end, "burnish/zero"], [part]),
        helper.make_node("Cast", [part], [value(index)], to=TensorProto.FLOAT),
    ]


def _told(index: int) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(value(index), TensorProto.FLOAT, [None]),
        helper.make_tensor_value_info(shape(index), TensorProto.INT64, [None]),
    ]


def _place(graph: onnx.GraphProto, asking: dict[str, list[onnx.NodeProto]]) -> None:
    """Ask right behind what makes a tensor: asked at the end, all tensors would be held until then."""
    made = list(graph.node)
    inner = {name for node in made for name in node.output}
    placed = [asked for name, nodes in asking.items() if name not in inner for asked in nodes]
    for node in made:
        placed.append(node)
        placed += [asked for name in node.output for asked in asking.get(name, [])]
    del graph.node[:]
    graph.node.extend(placed)


def _constant(name: str, numbers: Sequence[int]) -> TensorProto:
    return numpy_helper.from_array(np.array(numbers, dtype=np.int64), f"burnish/{name}")


def _light(path: Path, scratch: Path) -> tuple[onnx.ModelProto, Path]:
    """The model without its large weights, and the folder where those lie."""
    if any(t.data_location == TensorProto.EXTERNAL for t in tensors(light.load(path, light.forget))):
        # Beside the path as it was given: a link to the model is read as if the model lay there.
        return onnx.load(str(path), load_external_data=False), path.parent.absolute()
    with (scratch / WEIGHTS).open("wb") as file:
        return light.load(path, lambda tensor, source, size: _move(file, tensor, source, size)), scratch


def _move(file: IO[bytes], tensor: TensorProto, source: IO[bytes], size: int) -> None:
    file.write(b"\0" * (-file.tell() % ALIGNMENT))
    place = {"location": WEIGHTS, "offset": file.tell(), "length": size}
    wire.copy(source, file, size)
    tensor.data_location = TensorProto.EXTERNAL
    for key, fact in place.items():
        tensor.external_data.add(key=key, value=str(fact))


def _check(model: onnx.ModelProto, path: Path, names: Sequence[str]) -> None:
    known = {name for node in model.graph.node for name in node.output} | {v.name for v in model.graph.input}
    missing = [name for name in names if name not in known]
    if missing:
        raise InvalidJob(
            str(path),
            found=f"no {', '.join(map(repr, missing[:5]))} among the {len(known)} values of the main graph",
            expected="inputs, or outputs of nodes",
            remedy="Ask for values outside the bodies of If, Loop and Scan, and for no constants.",
        )
