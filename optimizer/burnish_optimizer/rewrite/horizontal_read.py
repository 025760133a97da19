"""Reading a projection: an input times constant weights, with its bias."""

from dataclasses import dataclass

import onnx_ir as ir

from burnish_optimizer.rewrite.values import attribute, dtype, is_op, rank, shape, tensor, used_once

MATRIX, VECTOR = 2, 1


@dataclass(frozen=True)
class Projection:
    """One MatMul, Gemm or Conv by constants.

    op, node: what computes it.   source: x.   weight, bias: constants; the bias is one number a column.
    adds_bias: whether an Add of its own puts the bias on.   output: what it ends in.
    axis: of the weight, which runs over the columns; their number is `width`.
    """

    op: str
    node: ir.Node
    source: ir.Value
    weight: ir.Value
    bias: ir.Value | None
    adds_bias: bool
    output: ir.Value
    axis: int
    width: int

    def joins(self, other: "Projection") -> bool:
        """Whether both can be one: the same input, operator, attributes and kind of weights."""
        mine, its = shape(self.weight) or (), shape(other.weight) or ()
        return (
            self.source is other.source
            and self.node.graph is other.node.graph
            and _form(self) == _form(other)
            and dtype(self.weight) == dtype(other.weight)
            and _without(mine, self.axis) == _without(its, other.axis)
        )


def projection(value: ir.Value | None, *, ends: bool = False) -> Projection | None:
    """The projection that makes `value`; None where it is none, or where others need what is inside.

    Args: ends: `value` may have any users.
    """
    if value is None or not (ends or used_once(value)):
        return None
    add = is_op(value, "Add")
    if add is not None:
        return _with_bias(add, value)
    node = is_op(value, "MatMul", "Gemm", "Conv")
    if node is None or len(node.inputs) < MATRIX or not _plain(node):
        return None
    return _read(node, value, node.inputs[2] if len(node.inputs) > MATRIX else None)


def _with_bias(add: ir.Node, output: ir.Value) -> Projection | None:
    left, right = add.inputs[:2]
    for product, bias in ((left, right), (right, left)):
        node = is_op(product, "MatMul")
        if node is not None and product is not None and used_once(product) and rank(bias) == VECTOR:
            return _read(node, output, bias, adds_bias=True)
    return None


def _read(
    node: ir.Node, output: ir.Value, bias: ir.Value | None, *, adds_bias: bool = False
) -> Projection | None:
    source, weight = node.inputs[:2]
    dims = shape(weight)
    if source is None or weight is None or dims is None or tensor(weight) is None or not used_once(weight):
        return None
    if node.op_type != "Conv" and len(dims) != MATRIX:
        return None
    axis = 0 if node.op_type == "Conv" or attribute(node, "transB", 0) else 1
    width = dims[axis]
    if width is None or (bias is not None and (tensor(bias) is None or shape(bias) != (width,))):
        return None
    return Projection(node.op_type, node, source, weight, bias, adds_bias, output, axis, width)


def _plain(node: ir.Node) -> bool:
    """A Gemm without factors, a Conv without groups."""
    if node.op_type == "Gemm":
        factors = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
        return factors == (1.0, 1.0) and not attribute(node, "transA", 0)
    return bool(attribute(node, "group", 1) == 1)


def _form(found: Projection) -> tuple[object, ...]:
    attributes = {name: attribute(found.node, name) for name in found.node.attributes}
    return found.op, attributes, found.adds_bias, found.bias is None


def _without(dims: tuple[int | None, ...], axis: int) -> tuple[int | None, ...]:
    return (*dims[:axis], *dims[axis + 1 :])
