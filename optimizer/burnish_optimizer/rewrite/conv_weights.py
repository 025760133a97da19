"""Operators that are linear in x by constant weights: Conv, ConvTranspose, Gemm, MatMul, seen alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import (
    attribute,
    constant,
    dtype,
    initializer,
    lazy_initializer,
    node_of,
    rank,
    tensor,
)

Array = np.ndarray[Any, Any]
LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")
FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16)
# Above this many bytes new weights are computed when they are written, not held.
EAGER_BYTES = 4 << 20


@dataclass(frozen=True)
class Linear:
    """y = W ∗ x + bias.

    Args:
        outputs, inputs: channels.   axis: of the channels in y; `rank`: of y, None where not known.
        by_output, by_input: a vector over channels, as an array that broadcasts with W.
        bias: FP64 [outputs], what is added to y; None: nothing.
    """

    node: ir.Node
    weight: ir.Value
    outputs: int
    inputs: int
    rank: int | None
    axis: int
    by_output: Callable[[Array], Array]
    by_input: Callable[[Array], Array]
    bias: Array | None

    @property
    def bytes(self) -> int:
        """Size of the weights."""
        held = tensor(self.weight)
        return held.nbytes if held is not None else 0

    def applied_to(self, channels: Array) -> Array:
        """W ∗ x for an x that is constant in all but its channels: FP64 [outputs]."""
        held = constant(self.weight)
        assert held is not None  # noqa: S101 - `linear` found it
        product = held.astype(np.float64) * self.by_input(channels)
        spread = self.by_output(np.arange(self.outputs, dtype=np.float64))
        kept = [place for place, size in enumerate(np.shape(spread)) if size != 1]
        summed = product.sum(axis=tuple(p for p in range(product.ndim) if p not in kept))
        return np.asarray(summed * attribute(self.node, "alpha", 1.0), np.float64)

    def scaled(self, factor: Array, bias: Array | None, old: ir.Value, x: ir.Value | None) -> Replacement:
        """The same operator of x with W · factor and another bias, in the place of `old`."""
        kind = dtype(self.weight) or ir.DataType.FLOAT
        made = [self._weight(factor, kind)]
        if bias is not None:
            made.append(initializer("bias", bias.astype(kind.numpy())))
        op, attributes = self.node.op_type, {k: attribute(self.node, k) for k in self.node.attributes}
        attributes.pop("beta", None)
        if op == "MatMul" and bias is not None:
            op = "Gemm"
        node = node_of(op, [x, *made], attributes)
        return Replacement([old], [node.outputs[0]], [node], made)

    def _weight(self, factor: Array, kind: ir.DataType) -> ir.Value:
        held = tensor(self.weight)
        assert held is not None  # noqa: S101 - `linear` found it
        dims = tuple(int(size) for size in held.shape.numpy())

        def evaluate() -> Array:
            whole: Array = np.empty(dims, kind.numpy())
            with np.errstate(over="ignore"):  # in FP64 piece by piece: never a copy of all in FP64
                np.multiply(held.numpy(), factor, out=whole, dtype=np.float64, casting="same_kind")
            return whole

        if held.nbytes <= EAGER_BYTES:
            return initializer("weight", evaluate())
        return lazy_initializer("weight", evaluate, kind, dims)


def linear(node: ir.Node) -> Linear | None:
    """A node with constant weights and bias seen as Linear; None where it is not."""
    if node.op_type not in LINEAR or len(node.inputs) < 2 or node.domain not in ("", "ai.onnx"):
        return None
    weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    held = tensor(weight)
    if held is None or weight is None or held.dtype not in FLOATS:
        return None
    dims = tuple(int(size) for size in held.shape.numpy())
    if node.op_type in ("Conv", "ConvTranspose"):
        return _conv(node, weight, dims, bias)
    return _matrix(node, weight, dims, bias) if len(dims) == 2 else None


def _conv(node: ir.Node, weight: ir.Value, dims: tuple[int, ...], bias: ir.Value | None) -> Linear | None:
    groups, rest = int(attribute(node, "group", 1)), (1,) * (len(dims) - 2)
    turned = node.op_type == "ConvTranspose"
    inputs, outputs = (dims[0], dims[1] * groups) if turned else (dims[1] * groups, dims[0])

    def along_rows(vector: Array) -> Array:
        return vector.reshape((-1, 1, *rest))

    def along_columns(vector: Array) -> Array:
        """Row r belongs to group r // (rows / groups), and sees the channels of that group."""
        by_group = np.repeat(vector.reshape(groups, -1), dims[0] // groups, axis=0)
        return by_group.reshape((*by_group.shape, *rest))

    added = _bias(bias, outputs, 1.0)
    if bias is not None and added is None:
        return None
    rows, columns = (along_columns, along_rows) if turned else (along_rows, along_columns)
    return Linear(node, weight, outputs, inputs, len(dims), 1, rows, columns, added)


def _matrix(node: ir.Node, weight: ir.Value, dims: tuple[int, ...], bias: ir.Value | None) -> Linear | None:
    turned = bool(attribute(node, "transB", 0))
    inputs, outputs = dims[::-1] if turned else dims
    dimensions = 2 if node.op_type == "Gemm" else rank(node.outputs[0])
    added = _bias(bias, outputs, attribute(node, "beta", 1.0))
    if (bias is not None and added is None) or dimensions is None or dimensions < 2:
        return None

    def row(vector: Array) -> Array:
        return vector.reshape(1, -1)

    def column(vector: Array) -> Array:
        return vector.reshape(-1, 1)

    by_output, by_input = (column, row) if turned else (row, column)
    return Linear(node, weight, outputs, inputs, dimensions, dimensions - 1, by_output, by_input, added)


def _bias(value: ir.Value | None, outputs: int, factor: float) -> Array | None:
    """A constant bias by output channel, as FP64 [outputs]."""
    held = constant(value)
    if held is None or held.size not in (1, outputs) or held.shape[-1:] not in ((), (1,), (outputs,)):
        return None
    return np.broadcast_to(held.astype(np.float64).reshape(-1) * factor, (outputs,))
