"""What SmoothQuant looks at and changes in a graph. Constants are replaced for one reader, never in place."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from burnish_optimizer.ingest.contents import graphs
from burnish_runtime.session import Array

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)


class Edit(NamedTuple):
    """The constant at input `at` of a node, times a factor that broadcasts with it."""

    node: onnx.NodeProto
    at: int
    factor: Array


class View:
    """Who makes and who reads each value of the main graph, as it is now; changes need a new view."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        given = {value.name for value in self.graph.input}
        self.outputs = {value.name for value in self.graph.output}
        self.made = {name: node for node in self.graph.node for name in node.output}
        self.uses: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
        for node in self.graph.node:
            for index, name in enumerate(node.input):
                self.uses.setdefault(name, []).append((node, index))
        self.inside = set(_read_inside(model))
        self._given = given
        self._constants = {name: t for name, t in _constants(self.graph) if name not in given}

    def constant(self, name: str) -> TensorProto | None:
        """A constant of floating point whose numbers are in memory."""
        tensor = self._constants.get(name)
        is_here = tensor is not None and tensor.data_location != TensorProto.EXTERNAL
        return tensor if tensor is not None and is_here and tensor.data_type in FLOATS else None

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Of such a constant; None: it is none."""
        tensor = self.constant(name)
        return None if tensor is None else tuple(tensor.dims)

    def array(self, name: str) -> Array:
        """Its numbers, as float64."""
        return numpy_helper.to_array(self._constants[name]).astype(np.float64)

    def is_private(self, name: str) -> bool:
        """Whether one node alone reads a value, at one input."""
        return len(self.uses.get(name, [])) == 1 and name not in self.outputs and name not in self.inside

    def fresh(self, name: str) -> str:
        """A name that nothing has, like this one."""
        taken = {*self._given, *self.made, *self.uses, *self._constants, *self.outputs, *self.inside}
        return next(n for i in count() if (n := f"{name}/smooth{i or ''}") not in taken)

    def edited(self, edits: Sequence[Edit]) -> list[TensorProto] | None:
        """The new constants, one an edit; None where the type cannot hold one of them."""
        found = []
        for node, at, factor in edits:
            old = self._constants[node.input[at]]
            made = self.array(node.input[at]) * factor
            with np.errstate(over="ignore"):
                cast = made.astype(onnx.helper.tensor_dtype_to_np_dtype(old.data_type))
            if not np.isfinite(cast.astype(np.float64)).all():
                return None
            found.append(numpy_helper.from_array(cast, node.input[at]))
        return found

    def commit(self, edits: Sequence[Edit], tensors: Sequence[TensorProto]) -> None:
        """Let each node read its new constant."""
        for (node, at, _), tensor in zip(edits, tensors, strict=True):
            tensor.name = self.fresh(tensor.name)
            self._constants[tensor.name] = tensor
            self.graph.initializer.append(tensor)
            node.input[at] = tensor.name

    def rename(self, old: str) -> str:
        """A new name for a value that now has another meaning, with its readers in the main graph."""
        new = self.fresh(old)
        node = self.made[old]
        node.output[list(node.output).index(old)] = new
        self.made[new] = node
        for reader, index in self.uses.get(old, []):
            reader.input[index] = new
        for told in self.graph.value_info:
            if told.name == old:
                told.name = new
        return new


def drop_unread(model: onnx.ModelProto, candidates: Mapping[str, object]) -> None:
    """Remove those constants that nothing reads any more."""
    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    read |= {value.name for value in graph.output} | set(_read_inside(model))
    gone = set(candidates) - read
    initializers = [tensor for tensor in graph.initializer if tensor.name not in gone]
    nodes = [n for n in graph.node if n.op_type != "Constant" or n.output[0] not in gone]
    if len(initializers) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(initializers)
    if len(nodes) < len(graph.node):
        del graph.node[:]
        graph.node.extend(nodes)


def _constants(graph: onnx.GraphProto) -> Iterator[tuple[str, TensorProto]]:
    yield from ((tensor.name, tensor) for tensor in graph.initializer)
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value":
                yield node.output[0], attribute.t


def _read_inside(model: onnx.ModelProto) -> Iterator[str]:
    """What the bodies of If, Loop and Scan read or return; names of their own do no harm."""
    for graph in list(graphs(model))[1:]:
        for node in graph.node:
            yield from node.input
        yield from (value.name for value in graph.output)
