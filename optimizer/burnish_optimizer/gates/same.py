"""Whether two nodes are the same: operator, wiring, attributes, and the contents of constants. Pure."""

from collections.abc import Hashable
from functools import lru_cache

import onnx
import onnx_ir as ir

from burnish_optimizer.gates.view import View
from burnish_optimizer.rewrite.values import STANDARD
from burnish_optimizer.rewrite.walk import BODIES

DIGEST_LIMIT_BYTES = 1 << 20


def definition(node: ir.Node, side: View) -> tuple[str, str, str, Hashable]:
    """Which operator a node is: operator sets that define it alike are one, functions are what they do."""
    body = side.bodies.get((node.domain, node.op_type, node.overload)) if side.bodies else None
    if body is not None:
        return node.domain, node.op_type, node.overload, body
    version = side.opsets.get(node.domain)
    if node.domain in STANDARD and version is not None:
        version = _since(node.op_type, version)
    return node.domain, node.op_type, node.overload, version


@lru_cache(maxsize=4096)
def _since(op_type: str, opset: int) -> int:
    """The operator set that brought the definition which holds in `opset`."""
    try:
        return int(onnx.defs.get_schema(op_type, opset, "").since_version)
    except onnx.defs.SchemaError:
        return opset


def unchanged(node: ir.Node, other: ir.Node, before: View, after: View) -> bool:
    """Whether both are the same node. What a copy shares with its original is not read again."""
    same = definition(node, before) == definition(other, after)
    return same and same_wiring(node, other, before, after)


def same_wiring(node: ir.Node, other: ir.Node, before: View, after: View) -> bool:
    """Whether both take the same, make values of the same names, and have the same attributes."""
    given, taken = node.inputs, other.inputs
    if len(given) != len(taken) or [v.name for v in node.outputs] != [v.name for v in other.outputs]:
        return False
    for one, two in zip(given, taken, strict=True):
        if not _same_input(one, two, before, after):
            return False
    return _same_attributes(node, other, before, after)


def _same_input(one: ir.Value | None, other: ir.Value | None, before: View, after: View) -> bool:
    if one is None or other is None:
        return one is other
    name = one.name
    if name == other.name and before.constants.get(name or "") is after.constants.get(name or ""):
        return True
    return _entry(one, before, after) == _entry(other, after, before)


def _same_attributes(node: ir.Node, other: ir.Node, before: View, after: View) -> bool:
    held, others = node.attributes.data, other.attributes.data
    if held.keys() != others.keys():
        return False
    pairs = ((one, others[name]) for name, one in held.items())
    return not held or all(one is two or _same_attribute(one, two, before, after) for one, two in pairs)


def _same_attribute(one: ir.Attr, other: ir.Attr, before: View, after: View) -> bool:
    if one.type != other.type or one.is_ref() != other.is_ref():
        return False
    if one.type == ir.AttributeType.GRAPH and not one.is_ref():
        return _same_graph(one.as_graph(), other.as_graph(), before, after)
    return plain(one) == plain(other)


def _same_graph(one: ir.Graph, other: ir.Graph, before: View, after: View) -> bool:
    if len(one) != len(other) or [v.name for v in one.inputs] != [v.name for v in other.inputs]:
        return False
    outputs = zip(one.outputs, other.outputs, strict=True) if len(one.outputs) == len(other.outputs) else None
    return (
        outputs is not None
        and all(_same_input(a, b, before, after) for a, b in outputs)
        and one.initializers.keys() == other.initializers.keys()
        and all(_same_tensor(v, other.initializers[n]) for n, v in one.initializers.items())
        and all(unchanged(a, b, before, after) for a, b in zip(one, other, strict=True))
    )


def _same_tensor(one: ir.Value, other: ir.Value) -> bool:
    tensors = one.const_value, other.const_value
    if None in tensors or tensors[0] is tensors[1]:
        return tensors[0] is tensors[1]
    return content(tensors[0]) == content(tensors[1])  # type: ignore[arg-type]


def _entry(value: ir.Value | None, side: View, other: View) -> object:
    if value is None:
        return None
    name = value.name or ""
    tensor = side.constants.get(name)
    if tensor is not None and value.graph in (side.graph, None) and name not in other.producers:
        return content(tensor)
    return name


def content(tensor: ir.TensorProtocol) -> tuple[Hashable, ...]:
    """What makes two constants the same: type, shape and bytes; where they lie, for large ones."""
    if isinstance(tensor, ir.LazyTensor | ir.StringTensor):
        return ("object", id(tensor))
    kind = (tensor.dtype, tuple(tensor.shape.numpy()))
    if tensor.nbytes <= DIGEST_LIMIT_BYTES:
        return ("bytes", *kind, tensor.tobytes())
    if isinstance(tensor, ir.ExternalTensor):
        return ("file", *kind, str(tensor.path), tensor.offset, tensor.length)
    return ("object", id(tensor))


def plain(one: ir.Attr) -> Hashable:
    """What an attribute holds, equal where it is; subgraphs are equal to themselves alone."""
    if one.is_ref():
        return ("ref", one.ref_attr_name)
    if one.type in BODIES:
        return ("graph", id(one))
    return content(one.value) if one.type == ir.AttributeType.TENSOR else repr(one.value)
