"""Cuts a part of a model out as a model of its own, bounded by values."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish_optimizer.gates.view import View

TENSOR_KINDS = {np.dtype(np.str_): onnx.TensorProto.STRING, np.dtype(np.object_): onnx.TensorProto.STRING}
LEAST_IR = 8


def model_of(  # noqa: PLR0917 (as a sentence: of this model's side these nodes, between these values)
    model: ir.Model,
    side: View,
    keys: Iterable[str],
    outputs: Sequence[str],
    cuts: Mapping[str, Any],
    renamed: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> onnx.ModelProto:
    """Nodes `keys` of the main graph as a model.

    Args:
        outputs: values to give back.   cuts: values at the cut, by name, as one run gave them: their
            element type and rank become the inputs' (their sizes do not).
        renamed: by node, values that it takes under another name: from the cut, not from who makes them.
    """
    chosen = set(keys)
    ordered = sorted(chosen, key=side.places.__getitem__)
    nodes = [_written(side.nodes[key], renamed.get(key, {})) for key in ordered]
    used = {name for key in chosen for name in side.inputs[key]} | set(outputs)
    graph = onnx.GraphProto(name="region", node=nodes)
    graph.input.extend(_input(name, cuts[name], side) for name in cuts)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    for name in sorted(used & set(side.constants) - set(cuts)):
        tensor = ir.serde.serialize_tensor(side.constants[name])
        tensor.name = name
        graph.initializer.append(tensor)
    return wrap(model, graph)


def _written(node: ir.Node, renamed: Mapping[str, str]) -> onnx.NodeProto:
    proto = ir.serde.serialize_node(node)
    if renamed:
        proto.input[:] = [renamed.get(name, name) for name in proto.input]
    return proto


def wrap(model: ir.Model, graph: onnx.GraphProto) -> onnx.ModelProto:
    """A graph with the operator sets and functions of `model`."""
    made = onnx.ModelProto(ir_version=max(model.ir_version, LEAST_IR), graph=graph)
    for domain, version in model.opset_imports.items():
        made.opset_import.add(domain=domain, version=version)
    made.functions.extend(ir.serde.serialize_function(f) for f in model.functions.values())
    return made


def copied(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy, to change."""
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    return made


def with_outputs(proto: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """The same model that also gives back inner values."""
    made = copied(proto)
    known = {v.name for v in made.graph.output}
    made.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in known)
    return made


def cut_names(side: View, keys: Iterable[str]) -> set[str]:
    """Values that these nodes take and neither make nor know as constants."""
    chosen = set(keys)
    taken = {name for key in chosen for name in side.inputs[key]}
    return {n for n in taken if n not in side.constants and side.producers.get(n) not in chosen}


def _input(name: str, array: Any, side: View) -> onnx.ValueInfoProto:
    known = next((v for v in side.graph.inputs if v.name == name), None)
    if known is not None:
        told = ir.serde.serialize_value(known)
        for dim in told.type.tensor_type.shape.dim:
            dim.Clear()
        return told
    kind = TENSOR_KINDS.get(array.dtype) or onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, [None] * array.ndim)
