"""Runs nodes that depend on constants alone, in one ONNX Runtime session with nothing optimized."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_optimizer.gates.execute import BITS, Executable
from burnish_optimizer.rewrite.values import tensor

LEAST_IR = 8
# What one session takes as initializers: they must be in it, as packed weights run by other kernels.
MAX_CONSTANT_BYTES = 1 << 30
REASON_CHARACTERS = 120

Work = tuple[Sequence[ir.Node], Sequence[ir.Value]]
Results = list[ir.TensorProtocol]


def compute(model: ir.Model, works: Sequence[Work]) -> list[Results | str]:
    """The values that each piece of work asks for; why not, where a kernel refuses.

    All at once; where that fails, one by one, so that the one that fails is alone in it.
    """
    try:
        return list(_run(model, works))
    except Exception as error:  # noqa: BLE001 - kernels raise what they like: not folded then
        if len(works) == 1:
            return [one_line(error, REASON_CHARACTERS)]
    return [result for work in works for result in compute(model, [work])]


def _run(model: ir.Model, works: Sequence[Work]) -> list[Results]:
    wanted = [value for _, values in works for value in values]
    proto = _model_of(model, [node for nodes, _ in works for node in nodes], wanted)
    found = Executable(proto).run({})
    results = iter([_tensor(v, found[v.name or ""]) for v in wanted])
    return [[next(results) for _ in values] for _, values in works]


def _model_of(model: ir.Model, nodes: Sequence[ir.Node], wanted: Sequence[ir.Value]) -> onnx.ModelProto:
    graph = onnx.GraphProto(name="fold", node=[ir.serde.serialize_node(node) for node in nodes])
    graph.output.extend(onnx.ValueInfoProto(name=value.name or "") for value in wanted)
    constants = {value.name: tensor(value) for node in nodes for value in node.inputs if value is not None}
    held = {name: found for name, found in constants.items() if found is not None}
    if sum(found.nbytes for found in held.values()) > MAX_CONSTANT_BYTES:
        raise MemoryError("the constants are too large to be computed with here")
    for name, found in held.items():
        proto = ir.serde.serialize_tensor(found)
        proto.name = name or ""
        graph.initializer.append(proto)
    made = onnx.ModelProto(ir_version=max(model.ir_version, LEAST_IR), graph=graph)
    for domain, version in model.opset_imports.items():
        made.opset_import.add(domain=domain, version=version)
    return made


def _tensor(value: ir.Value, result: Any) -> ir.TensorProtocol:
    """A result as a tensor of the value's type. Raises: TypeError: it is no tensor."""
    if not isinstance(result, np.ndarray):
        raise TypeError("the result is not a tensor")
    name = value.name or ""
    if result.dtype.kind in "OUS":
        texts = [str(text).encode() for text in result.reshape(-1)]
        return ir.StringTensor(texts, shape=ir.Shape(result.shape), name=name)
    if value.dtype is not None and int(value.dtype) in BITS:
        return ir.Tensor(result.view(value.dtype.numpy()), dtype=value.dtype, name=name)
    return ir.Tensor(np.array(result, order="C"), name=name)
