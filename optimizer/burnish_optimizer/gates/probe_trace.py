"""Where the values of an input go: what uses them, through operators that pass them on and into subgraphs."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.gates.probe_roles import CARRIERS, ROLES, Role
from burnish_optimizer.rewrite.values import attribute, constant, op_key, shape

# A model that hands one value to more places than this is understood from the first ones.
MAX_VISITED = 2000
# Constants with which an input is compared: a handful decide branches, a table decides nothing.
MAX_CONSTANTS = 8
FLOATING = frozenset({ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16})
# Weights by operator: (input, its axis) whose size the last or the second axis of the data must have.
WEIGHTS = {"MatMul": (1, -2, -1), "Conv": (1, 1, 1), "LSTM": (1, 2, 2), "GRU": (1, 2, 2), "RNN": (1, 2, 2),
           "BatchNormalization": (1, 0, 1), "LayerNormalization": (1, -1, -1)}  # fmt: skip


@dataclass(frozen=True)
class Use:
    """One place where values end up. `node` takes them at `position`, in the role that it gives them."""

    node: ir.Node
    position: int
    role: Role


def uses(model: ir.Model, value: ir.Value, within: Container[ir.Node] | None = None) -> tuple[Use, ...]:
    """Every role that the values of an input have somewhere; `within`: at these nodes of the main graph."""
    found: list[Use] = []
    for node, position in _reached(model, value, within):
        role = ROLES.get((op_key(node), position)) or _cast_role(node, value)
        if role is not None:
            found.append(Use(node, position, role))
    return tuple(found)


def index_limits(use: Use) -> int | str | None:
    """How many elements an index may address: a number, the name of a free dimension; None: not known."""
    data, axis = _indexed(use)
    if op_key(use.node) == "OneHot":
        depth = constant(use.node.inputs[1], 1)
        return int(depth.ravel()[0]) if depth is not None and depth.size else None
    return _dimension(data, axis)


def compared_with(use: Use) -> tuple[Any, ...]:
    """The constants that a comparison holds the values against."""
    other = constant(use.node.inputs[1 - use.position], MAX_CONSTANTS)
    return () if other is None else tuple(np.unique(other).tolist())


def size_hints(model: ir.Model, value: ir.Value) -> dict[str, int]:
    """Sizes of an input's free dimensions that the weights ask for, where the input reaches them unchanged.

    Keys: the symbol, or the axis as `probe_inputs` names it.
    """
    if value.shape is None:
        return {}
    found: dict[str, int] = {}
    for use in value.uses():
        wanted, axis = _weight_size(use.node) if use.idx == 0 else (None, 0)
        dims = list(value.shape)
        dim = dims[axis] if -len(dims) <= axis < len(dims) else 0
        if wanted is not None and isinstance(dim, ir.SymbolicDim):
            found[f"{value.name} axis {axis % len(dims)}"] = wanted
            if dim.value is not None:
                found[str(dim.value)] = wanted
    return found


def _weight_size(node: ir.Node) -> tuple[int | None, int]:
    at, weight_axis, data_axis = WEIGHTS.get(op_key(node), (1, 0, 0))
    dims = shape(node.inputs[at]) if op_key(node) in WEIGHTS and len(node.inputs) > at else None
    if dims is None or not -len(dims) <= weight_axis < len(dims):
        return None, 0
    wanted = dims[weight_axis]
    groups = attribute(node, "group", 1) if op_key(node) == "Conv" else 1
    return None if wanted is None else wanted * groups, data_axis


def _reached(
    model: ir.Model, value: ir.Value, within: Container[ir.Node] | None
) -> Iterator[tuple[ir.Node, int]]:
    """Breadth first: every node that takes the values, and at which input."""
    waiting, seen = [value], {id(value)}
    while waiting and len(seen) < MAX_VISITED:
        current = waiting.pop(0)
        for use in current.uses():
            if within is not None and use.node.graph is model.graph and use.node not in within:
                continue
            yield use.node, use.idx
            following = [v for v in _carried(model, use.node, use.idx) if id(v) not in seen]
            seen.update(map(id, following))
            waiting += following


def _carried(model: ir.Model, node: ir.Node, position: int) -> Iterator[ir.Value]:
    """The values that hold what `node` takes at `position`."""
    key = op_key(node)
    function = model.functions.get(node.op_identifier())
    if function is not None:
        yield from function.inputs[position : position + 1]
    elif key in ("Loop", "Scan"):
        body = node.attributes["body"].as_graph()
        yield from body.inputs[position : position + 1] if key == "Scan" or position > 1 else ()
    elif position in CARRIERS.get(key, ()) and not _made_float(node):
        yield from node.outputs


def _made_float(node: ir.Node) -> bool:
    """A cast to a floating-point or truth value: numbers from here on, no longer indices."""
    return op_key(node) == "Cast" and attribute(node, "to") in (*FLOATING, ir.DataType.BOOL)


def _cast_role(node: ir.Node, value: ir.Value) -> Role | None:
    if op_key(node) != "Cast":
        return None
    if value.dtype == ir.DataType.STRING:
        return Role.NUMERAL
    whole = value.dtype in (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL)
    return Role.MASK if whole and _made_float(node) else None


def _indexed(use: Use) -> tuple[ir.Value | None, int]:
    """The data that an index addresses, and along which axis."""
    node = use.node
    if op_key(node) == "com.microsoft::EmbedLayerNormalization":
        return node.inputs[2 if use.position == 0 else 4], 0
    return node.inputs[0], int(attribute(node, "axis", 0))


def _dimension(data: ir.Value | None, axis: int) -> int | str | None:
    known = shape(data)
    if known is None or not -len(known) <= axis < len(known):
        return None
    if known[axis] is not None or data is None or data.shape is None:
        return known[axis]
    symbol = data.shape[axis]
    return None if isinstance(symbol, int) or symbol.value is None else str(symbol.value)
