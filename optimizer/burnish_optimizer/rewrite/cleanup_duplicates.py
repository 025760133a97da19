"""The same thing twice: equal nodes, equal initializers.

Ours, since onnx-ir's passes hold 0.0 and -0.0 in attributes for equal, merge Bernoulli and Dropout draws,
pad strings before they compare them, and look into one graph only.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Change, Scope
from burnish_optimizer.rewrite.driver import replace
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import STANDARD, op_key, site_name
from burnish_optimizer.rewrite.walk import subgraphs

DRAWS = frozenset(
    {"RandomUniform", "RandomNormal", "RandomUniformLike", "RandomNormalLike", "Multinomial", "Bernoulli"}
)
PURE_DOMAINS = frozenset({*STANDARD, "ai.onnx.ml"})
# Elements, spread over a constant, that tell most constants apart.
GLIMPSED = 16
Seen = dict[Any, ir.Node]


def merge_equal_nodes(model: ir.Model, scope: Scope) -> list[Change]:
    """`f(x), f(x)` = one `f(x)`, read twice; in a body also what the graph around it has computed before."""
    return list(_merge(model, model.graph, [], scope))


def merge_equal_initializers(model: ir.Model, scope: Scope) -> list[Change]:
    """Two constants of one type, shape and the same bytes = one constant."""
    return list(_merge_constants(model.graph, {}, scope))


def deterministic(node: ir.Node) -> bool:
    """Whether equal inputs always give equal outputs, as far as is known."""
    if node.domain not in PURE_DOMAINS or node.op_type in DRAWS:
        return False
    if node.op_type == "Dropout":
        return len(node.inputs) < 3 or node.inputs[2] is None
    return True


def _merge(model: ir.Model, graph: ir.Graph, outer: list[Seen], scope: Scope) -> Iterator[Change]:
    seen: Seen = {}
    scopes = [seen, *outer]
    for node in tuple(graph):
        if node.graph is not graph:
            continue
        for body in subgraphs(node):
            yield from _merge(model, body, scopes, scope)
        key = _node_key(node)
        if key is None:
            continue
        twin = next((found[key] for found in scopes if key in found), None)
        change = _reuse(model, graph, node, twin, scope) if twin is not None else None
        if change:
            yield change
        else:
            seen.setdefault(key, node)


def _reuse(model: ir.Model, graph: ir.Graph, node: ir.Node, twin: ir.Node, scope: Scope) -> Change | None:
    site = site_name(node)
    if site in scope.excluded or twin.graph is None:
        return None
    # A multi-output node is replaced whole: an output that the graph gives away must find its name free.
    named = [(old, new) for old, new in zip(node.outputs, twin.outputs, strict=True) if old.name]
    found = Replacement([old for old, _ in named], [new for _, new in named])
    return replace(model, graph, node, "common-subexpression", found)


def _node_key(node: ir.Node) -> Any:
    """What two nodes must share to be equal; None for nodes that are never merged."""
    given = node.attributes.data
    if not deterministic(node) or any(one.is_ref() for one in given.values()):
        return None
    attributes = [_attribute_key(given[name]) for name in sorted(given)]
    if None in attributes:
        return None
    inputs = tuple(id(value) if value is not None else 0 for value in node.inputs)
    outputs = tuple(bool(value.name) for value in node.outputs)
    return (op_key(node), node.overload, inputs, outputs, tuple(attributes))


def _attribute_key(attribute: ir.Attr) -> Any:
    """Name, type and bits: 0.0 and -0.0 differ, NaN equals itself. None for graphs and what is not plain."""
    kind, value = attribute.type, attribute.value
    if kind in (ir.AttributeType.FLOAT, ir.AttributeType.FLOATS):
        return (attribute.name, kind, np.asarray(value, np.float64).tobytes())
    if kind == ir.AttributeType.TENSOR:
        return (attribute.name, kind, *_tensor_key(value))
    if kind in (ir.AttributeType.INTS, ir.AttributeType.STRINGS):
        return (attribute.name, kind, tuple(value))
    if kind in (ir.AttributeType.INT, ir.AttributeType.STRING):
        return (attribute.name, kind, value)
    return None


def _tensor_key(tensor: ir.TensorProtocol) -> tuple[Any, ...]:
    return (tensor.dtype, tuple(tensor.shape.numpy()), _digest(tensor))


def _digest(tensor: ir.TensorProtocol) -> bytes:
    """SHA-256 of the content. Strings are counted, so that no two lists look alike."""
    if tensor.dtype == ir.DataType.STRING:
        texts = [bytes(text) for text in tensor.string_data()]  # type: ignore[attr-defined]
        return hashlib.sha256(b"".join(b"%d:%s" % (len(t), t) for t in texts)).digest()
    return hashlib.sha256(tensor.tobytes()).digest()


def _merge_constants(graph: ir.Graph, outer: dict[Any, ir.Value], scope: Scope) -> Iterator[Change]:
    known = dict(outer)
    for value, key in _keyed(graph, known):
        twin = known.setdefault(key, value)
        if twin is not value and value.name not in scope.excluded:
            value.replace_all_uses_with(twin)
            del graph.initializers[value.name or ""]
            yield Change("equal-initializers", value.name or "")
    for node in graph:
        for body in subgraphs(node):
            yield from _merge_constants(body, known, scope)


def _keyed(graph: ir.Graph, known: dict[Any, ir.Value]) -> list[tuple[ir.Value, Any]]:
    """Constants that may have a twin, with their keys. Only those of a type and shape that occurs twice are
    read: of a model beyond memory, most weights are never touched here."""
    groups: dict[Any, list[ir.Value]] = defaultdict(list)
    for value in graph.initializers.values():
        if value.const_value is not None and not value.is_graph_input() and not value.is_graph_output():
            groups[_shallow(value.const_value)].append(value)
    inner = any(True for node in graph for _ in subgraphs(node))
    outside = {key[:2] for key in known}
    chosen = [v for k, group in groups.items() if len(group) > 1 or inner or k in outside for v in group]
    wanted = chosen if inner or outside else _alike(chosen)
    return [(value, _tensor_key(value.const_value)) for value in wanted if value.const_value is not None]


def _alike(values: list[ir.Value]) -> list[ir.Value]:
    """Those that share type, shape and a few elements with another: what is left to be read whole."""
    seen = [(v, _glimpse(v.const_value)) for v in values if v.const_value is not None]
    count = Counter(glimpse for _, glimpse in seen)
    return [value for value, glimpse in seen if count[glimpse] > 1]


def _glimpse(tensor: ir.TensorProtocol) -> tuple[Any, ...]:
    if tensor.dtype == ir.DataType.STRING:
        return _shallow(tensor)
    flat = tensor.numpy().reshape(-1)
    return (*_shallow(tensor), flat[:: max(1, flat.size // GLIMPSED)].tobytes())


def _shallow(tensor: ir.TensorProtocol) -> tuple[Any, ...]:
    return (tensor.dtype, tuple(tensor.shape.numpy()))
