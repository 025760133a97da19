"""Types and shapes of every value, symbolic dimensions too.

What a model file says of its intermediate values may be stale: it is forgotten first, wherever inference
can find it again. What it says of its inputs and outputs is its signature: it stays.
"""

from collections.abc import Iterator

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import _c_api_utils

from burnish_optimizer.rewrite.driver import graphs
from burnish_optimizer.rewrite.values import STANDARD

INFERRED = "burnish.shapes"

Dim = int | str | None
Typed = tuple[ir.Value, ir.TypeProtocol | None, ir.Shape | None]


def ensure_shapes(model: ir.Model) -> None:
    """Infer once per model: rules keep the shapes of what they replace."""
    if INFERRED not in model.graph.meta:
        infer(model)


def infer(model: ir.Model) -> bool:
    """Infer types and shapes of all intermediate values. Returns whether ONNX's inference took the model."""
    signature = [(value, value.type, value.shape) for value in model.graph.outputs]
    forgotten = _forget(model)
    try:
        inferred = told(model, _c_api_utils.call_onnx_api(_infer, model))
    except Exception:  # noqa: BLE001 - C++ raises what it likes; fewer rules match then
        inferred = None
    for value, kind, shape in (*(forgotten if inferred is None else inferred), *signature):
        value.type, value.shape = kind, shape
    model.graph.meta[INFERRED] = True
    return inferred is not None


def dims(value: ir.Value | None) -> tuple[Dim, ...] | None:
    """Dimensions: a number, a symbol that stands for the same number wherever it occurs, or None."""
    if value is None:
        return None
    if value.shape is None:
        found = value.const_value
        return tuple(int(d) for d in found.shape.numpy()) if found is not None else None
    return tuple(d if isinstance(d, int) else (d.value or None) for d in value.shape)


def static(value: ir.Value | None) -> tuple[int, ...] | None:
    """Dimensions where all are numbers."""
    found = dims(value)
    if found is None or not all(isinstance(d, int) for d in found):
        return None
    return tuple(d for d in found if isinstance(d, int))


def same_shape(one: ir.Value | None, other: ir.Value | None) -> bool:
    """Whether two values provably have the same shape. Two unknown dimensions are not the same."""
    first, second = dims(one), dims(other)
    return first is not None and first == second and None not in first


def forget_symbols(model: ir.Model) -> None:
    """Leave dimensions that only inference named open again, as a source without inferred shapes has them.

    ONNX Runtime makes SkipLayerNormalization where both addends have the same symbols. On the CPU that takes
    longer than what it replaces: with our symbols left in the file, paraphrase-MiniLM-L3 took 1.03 times as
    long as its source, without them 0.96 times (1.32, one thread, 1 x 64 tokens).
    """
    signature = (*model.graph.inputs, *model.graph.outputs)
    named = {dim for value in signature for dim in dims(value) or ()}
    for graph in graphs(model):
        for value in (output for node in graph for output in node.outputs):
            if value.shape is not None and not value.is_graph_output():
                known = dims(value) or ()
                value.shape = ir.Shape([d if isinstance(d, int) or d in named else None for d in known])


def _infer(proto: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.shape_inference.infer_shapes(proto, check_type=False, strict_mode=False, data_prop=True)


def _forget(model: ir.Model) -> list[Typed]:
    """Types and shapes that inference finds again: outputs of operators that ONNX knows."""
    found = [
        value
        for graph in graphs(model)
        for node in graph
        if node.domain in STANDARD
        for value in node.outputs
        if not (value.is_graph_output() and graph is model.graph)
    ]
    kept = [(value, value.type, value.shape) for value in found]
    for value in found:
        value.shape = None
    return kept


def told(model: ir.Model, inferred: onnx.ModelProto) -> list[Typed]:
    """What was inferred of the values of `model`, which are matched by name within their graph.

    Graphs come in the same order on both sides. The nodes are not read: that would be the whole model again.
    """
    found: list[Typed] = []
    shapes: dict[bytes, ir.Shape | None] = {}
    for graph, source in zip(graphs(model), _graphs(inferred.graph), strict=True):
        known = {info.name: info.type for info in (*source.value_info, *source.output) if info.name}
        for value in (value for node in graph for value in node.outputs):
            written = known.get(value.name or "")
            if written is not None:
                kind = ir.serde.deserialize_type_proto_for_type(written)
                shape = _shape(written, shapes)
                found.append(
                    (value, value.type if kind is None else kind, value.shape if shape is None else shape)
                )
    return found


def _shape(proto: onnx.TypeProto, known: dict[bytes, ir.Shape | None]) -> ir.Shape | None:
    """Read once for all values that have it, and frozen: they share it, as copies of the model do.

    Args: known: added to.
    """
    written = proto.SerializeToString()
    if written not in known:
        known[written] = found = ir.serde.deserialize_type_proto_for_shape(proto)
        if found is not None:
            found.freeze()
    return known[written]


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield from _graphs(attribute.g)
        for inner in attribute.graphs:
            yield from _graphs(inner)
