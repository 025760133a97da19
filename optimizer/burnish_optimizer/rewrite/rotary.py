"""Fusing rotary position embedding (Su et al., 2021) in the form of rotated halves."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.attention_dims import Dimensions
from burnish_optimizer.rewrite.attention_parts import Parts, find_shared
from burnish_optimizer.rewrite.choose import opset
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import (
    attribute,
    constant,
    dtype,
    is_op,
    kernel_type,
    rank,
    scalar,
    shape,
)
from burnish_optimizer.targets.kernels import MICROSOFT

RANK = 4
SHAPE_RANGE_OPSET = 15  # Shape takes start and end since then
PER_ELEMENT = frozenset({"Cos", "Sin", "Cast", "Identity", "Unsqueeze"})


@dataclass(frozen=True)
class RotaryRule:
    """x · cos + [−x₂, x₁] · sin, cos = [c, c], sin = [s, s] → RotaryEmbedding(x, positions, c, s).

    x [B, N, S, H], cos and sin [B or 1, 1, S, H]. The operator takes c and s as tables that positions index;
    here the tables hold one row for each position of each batch row, so they are what they were.
    """

    name: str = "rotary-embedding"
    anchors: frozenset[str] = frozenset({"Add"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = _read(node)
        if found is None:
            return None
        x, cos, sin = found
        kind, dims = dtype(x), Dimensions()
        if kind is None or not scope.target.has_kernel(MICROSOFT, "RotaryEmbedding", kernel_type(kind), 1):
            scope.decline(self.name, f"no RotaryEmbedding on {scope.target.name} for this element type")
            return None
        if opset(scope) < SHAPE_RANGE_OPSET or not all(_is_doubled(table) for table in (cos, sin)):
            scope.decline(self.name, "cos and sin cannot be shown to repeat themselves")
            return None
        batch = dims.of(cos, 0)
        if batch != dims.of(sin, 0) or batch not in (1, dims.of(x, 0)):
            scope.decline(self.name, "cos and sin cannot be shown to have the batch of x")
            return None
        return _replacement(node, (x, cos, sin), one_for_all=batch == 1)


def _replacement(
    node: ir.Node, found: tuple[ir.Value, ir.Value, ir.Value], *, one_for_all: bool
) -> Replacement:
    x, cos, sin = found
    parts = Parts()
    half = int((shape(x) or (0,))[-1] or 0) // 2
    tables = [_table(parts, value, half, node) for value in (cos, sin)]
    positions = parts.ints(0) if one_for_all else _positions(parts, cos, node)
    new = parts.op("RotaryEmbedding", x, positions, *tables, domain=MICROSOFT, interleaved=0)
    return Replacement([node.outputs[0]], [new], parts.nodes, parts.constants, domains=((MICROSOFT, 1),))


def _table(parts: Parts, value: ir.Value, half: int, before: ir.Node) -> ir.Value:
    """[B, 1, S, H] → the first half of every row, as [B · S + S, H / 2]; shared by all that use the value.

    The last S rows are zeros that no position names: the operator wants S rows of an empty batch too.
    """
    shared = find_shared(value, "rotary-table", before)
    if shared is not None:
        return shared
    first = parts.op("Slice", value, parts.ints(0), parts.ints(half), parts.ints(RANK - 1))
    rows = parts.op("Reshape", first, parts.ints(-1, half))
    kind = dtype(value) or ir.DataType.FLOAT
    size = parts.op("Concat", parts.op("Shape", value, start=2, end=3), parts.ints(half), axis=0)
    spare = parts.op("Expand", parts.constant(np.zeros((), kind.numpy()), kind), size)
    return parts.share(parts.op("Concat", rows, spare, axis=0), value, "rotary-table")


def _positions(parts: Parts, cos: ir.Value, before: ir.Node) -> ir.Value:
    """0, 1, 2 … as [B, S]: the row of the table for every position of every batch row."""
    shared = find_shared(cos, "rotary-positions", before)
    if shared is not None:
        return shared
    batch = parts.op("Shape", cos, start=0, end=1)
    rows = parts.op("Shape", cos, start=2, end=3)
    count = parts.op("Squeeze", parts.op("Mul", batch, rows))
    zero, one = (parts.constant(np.array(number, np.int64)) for number in (0, 1))
    line = parts.op("Range", zero, count, one)
    target = parts.op("Concat", batch, rows, axis=0)
    return parts.share(parts.op("Reshape", line, target), cos, "rotary-positions")


def _read(add: ir.Node) -> tuple[ir.Value, ir.Value, ir.Value] | None:
    """(x, cos, sin), where the operands are in any order."""
    left, right = (is_op(value, "Mul") for value in add.inputs[:2])
    if left is None or right is None:
        return None
    for straight, turned in ((left, right), (right, left)):
        for place in (0, 1):
            found = _turned(turned.inputs[place])
            if found is not None and any(found is value for value in straight.inputs):
                cos = straight.inputs[1 if straight.inputs[0] is found else 0]
                sin = turned.inputs[1 - place]
                if cos is None or sin is None or not _fits(found, cos, sin):
                    return None
                return found, cos, sin
    return None


def _turned(value: ir.Value | None) -> ir.Value | None:
    """x behind [−x₂, x₁]: the halves of its last axis, swapped, one negated."""
    concat = is_op(value, "Concat")
    if concat is None or len(concat.inputs) != 2 or attribute(concat, "axis") not in (-1, RANK - 1):
        return None
    negated = is_op(concat.inputs[0], "Neg")
    last, first = _half(negated.inputs[0] if negated is not None else None), _half(concat.inputs[1])
    if last is None or first is None or last[0] is not first[0]:
        return None
    size = (shape(first[0]) or (None,))[-1]
    if size is None or size % 2 or first[1:] != (0, size // 2) or last[1] != size // 2 or last[2] < size:
        return None
    return first[0]


def _half(value: ir.Value | None) -> tuple[ir.Value, int, int] | None:
    """(x, start, end) of a Slice of the last axis."""
    node = is_op(value, "Slice")
    if node is None or len(node.inputs) < RANK or node.inputs[0] is None:
        return None
    start, end, axis = (scalar(v) for v in node.inputs[1:4])
    step = scalar(node.inputs[4]) if len(node.inputs) > RANK else 1
    if start is None or end is None or axis not in (-1, RANK - 1) or step != 1:
        return None
    return node.inputs[0], int(start), int(end)


def _fits(x: ir.Value, cos: ir.Value | None, sin: ir.Value | None) -> bool:
    """x [B, N, S, H]; cos and sin [B or 1, 1, S, H]."""
    dims = shape(x)
    tables = [shape(value) for value in (cos, sin)]
    if dims is None or len(dims) != RANK or any(t is None or len(t) != RANK for t in tables):
        return False
    return all(t is not None and t[1] == 1 and t[3] == dims[3] for t in tables)


def _is_doubled(value: ir.Value | None, depth: int = 8) -> bool:
    """Whether both halves of the last axis are the same, by how the value is made."""
    node = is_op(value, *PER_ELEMENT, "Mul", "Concat") if depth else None
    if node is None:
        return False
    if node.op_type == "Concat":
        last = attribute(node, "axis") in (-1, (rank(value) or 0) - 1)
        return last and len(node.inputs) == 2 and node.inputs[0] is node.inputs[1]
    if node.op_type == "Mul":
        left, right = node.inputs[:2]
        return (scalar(right) is not None and _is_doubled(left, depth - 1)) or (
            scalar(left) is not None and _is_doubled(right, depth - 1)
        )
    return (node.op_type != "Unsqueeze" or _adds_no_last_axis(node)) and _is_doubled(
        node.inputs[0], depth - 1
    )


def _adds_no_last_axis(node: ir.Node) -> bool:
    axes, dims = constant(node.inputs[1], RANK), rank(node.outputs[0])
    return axes is not None and dims is not None and not {-1, dims - 1} & {int(a) for a in axes.reshape(-1)}
