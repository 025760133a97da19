"""Reading values: constants, shapes, uses. What rules ask again and again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir

STANDARD = ("", "ai.onnx")
SEQUENCES: tuple[tuple[type, Callable[[str, Any], ir.Attr]], ...] = (
    (int, ir.AttrInt64s),
    (float, ir.AttrFloat32s),
    (str, ir.AttrStrings),
)


def op_key(node: ir.Node) -> str:
    """`Add`, or `com.microsoft::Gelu`: how rules name op types."""
    return node.op_type if node.domain in STANDARD else f"{node.domain}::{node.op_type}"


def site_name(node: ir.Node) -> str:
    """The name of a node's first output that has one: what a change, an exclusion and a comparison name."""
    for value in node.outputs:  # asked of every node by every pass
        if value.name:
            return value.name
    return ""


def is_op(value: ir.Value | None, *names: str) -> ir.Node | None:
    """The node that makes `value`, where it is one of these op types."""
    node = value.producer() if value is not None else None
    return node if node is not None and op_key(node) in names else None


def tensor(value: ir.Value | None) -> ir.TensorProtocol | None:
    """The constant behind a value (an initializer that no input overrides, or a Constant's output)."""
    if value is None or value.is_graph_input():
        return None
    if value.const_value is not None:
        return value.const_value
    node = value.producer()
    if node is None or node.op_type != "Constant":
        return None
    return _plain(node, value) or ir.convenience.get_const_tensor(value)


def _plain(node: ir.Node, value: ir.Value) -> ir.TensorProtocol | None:
    """The tensor of a Constant written in the usual way: onnx-ir asks it for a slow protocol each time."""
    given = node.attributes.data.get("value")
    if given is None or given.type != ir.AttributeType.TENSOR or node.domain or len(node.attributes) != 1:
        return None
    held: ir.TensorProtocol | None = given.value
    if held is not None:
        held.name = value.name
    return held


def constant(value: ir.Value | None, limit_elements: int | None = None) -> np.ndarray[Any, Any] | None:
    """A constant as an array; None where it is not constant, or has more elements than the limit."""
    found = tensor(value)
    if found is None or (limit_elements is not None and found.size > limit_elements):
        return None
    return found.numpy()


def scalar(value: ir.Value | None) -> float | int | bool | None:
    """The number in a constant with one element."""
    array = constant(value, 1)
    return array.item() if array is not None and array.size == 1 else None


def shape(value: ir.Value | None) -> tuple[int | None, ...] | None:
    """Dimensions, None for those that are not known; None where the rank is not known."""
    if value is None:
        return None
    if value.shape is None:
        found = tensor(value)
        return tuple(found.shape.numpy()) if found is not None else None
    return tuple(dim if isinstance(dim, int) else None for dim in value.shape)


def rank(value: ir.Value | None) -> int | None:
    """Number of dimensions."""
    dims = shape(value)
    return None if dims is None else len(dims)


def dtype(value: ir.Value | None) -> ir.DataType | None:
    """Element type."""
    if value is None:
        return None
    if value.dtype is None:
        found = tensor(value)
        return found.dtype if found is not None else None
    return value.dtype


def kernel_type(kind: ir.DataType) -> str:
    """ONNX Runtime's word for an element type, as `RewriteTarget.has_kernel` takes it: float, int64 …"""
    return {"BOOL": "bool", "FLOAT": "float"}.get(kind.name, kind.name.lower())


def used_once(value: ir.Value) -> bool:
    """One consumer, one time, and not an output of the graph: fusing it away duplicates nothing."""
    return len(value.uses()) == 1 and not value.is_graph_output()


def attribute(node: ir.Node, name: str, default: Any = None) -> Any:
    """An attribute's plain value (int, float, string, tuple, tensor), or the default."""
    found = node.attributes.get(name)
    if found is None or found.is_ref():
        return default
    value = found.value
    return tuple(value) if isinstance(value, list) else value


def initializer(name: str, array: np.ndarray[Any, Any], like: ir.DataType | None = None) -> ir.Value:
    """A new constant. The driver makes its name unique."""
    made = ir.Tensor(np.ascontiguousarray(array) if array.ndim else array, name=name, dtype=like)
    return ir.Value(name=name, type=ir.TensorType(made.dtype), shape=ir.Shape(array.shape), const_value=made)


def lazy_initializer(name: str, evaluate: Any, kind: ir.DataType, dims: tuple[int, ...]) -> ir.Value:
    """A new constant that is computed when it is written: for large weights (`evaluate` gives an array)."""
    made = ir.LazyTensor(
        lambda: ir.tensor(evaluate(), dtype=kind), dtype=kind, shape=ir.Shape(dims), name=name
    )
    return ir.Value(name=name, type=ir.TensorType(kind), shape=ir.Shape(dims), const_value=made)


def node_of(
    op: str,
    inputs: list[ir.Value | None],
    attributes: dict[str, Any] | None = None,
    *,
    outputs: int = 1,
    domain: str = "",
) -> ir.Node:
    """A new node; trailing inputs that are None are left out."""
    while inputs and inputs[-1] is None:
        inputs.pop()
    given = {name: _sequence(name, value) for name, value in (attributes or {}).items()}
    return ir.node(op, inputs, attributes=given, num_outputs=outputs, domain=domain)


def _sequence(name: str, value: Any) -> Any:
    """A sequence as the attribute that it is; onnx-ir tries slow protocols on it first."""
    if isinstance(value, tuple | list) and value:
        for kind, made in SEQUENCES:
            if all(isinstance(element, kind) for element in value):
                return made(name, value)
    return value
