"""Affine steps by constants: BatchNormalization, Mul, Div, Add, Sub as y = scale · x + shift; two as one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.activations import ends_gate
from burnish_optimizer.rewrite.affine import inner
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import (
    attribute,
    constant,
    dtype,
    initializer,
    is_op,
    node_of,
    rank,
    shape,
)

Array = np.ndarray[Any, Any]
STEPS = ("BatchNormalization", "Mul", "Div", "Add", "Sub")
FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16)
LIMIT_ELEMENTS = 1 << 20
CHANNELS = 1
ONE, ZERO = np.ones(()), np.zeros(())


@dataclass(frozen=True)
class Step:
    """y = scale · x + shift in FP64; both broadcast to x, whose shape they leave as it is."""

    x: ir.Value
    scale: Array
    shift: Array

    @property
    def finite(self) -> bool:
        """Whether all constants are numbers."""
        return bool(np.isfinite(self.scale).all() and np.isfinite(self.shift).all())


def step(node: ir.Node) -> Step | None:
    """What an affine node does; None where it is none, or its constants are not known."""
    if dtype(node.outputs[0]) not in FLOATS:
        return None
    if is_op(node.outputs[0], "BatchNormalization"):
        return _batch_norm(node)
    left, right = node.inputs[:2]
    if is_op(node.outputs[0], "Mul", "Add", "Sub", "Div"):
        return _step(node.op_type, left, right, swapped=False) or _step(
            node.op_type, right, left, swapped=True
        )
    return None


def first_step(node: ir.Node) -> Step | None:
    """What an affine node does whose constants would go into what follows; None where they must stay."""
    return None if ends_gate(node) else step(node)


def takes(node: ir.Node, *ops: str) -> bool:
    """Whether a node takes what only it needs of one of these: sooner told than what the node does."""
    for value in node.inputs:
        maker = value.producer() if value is not None else None
        if maker is not None and maker.op_type in ops and inner(value, *ops) is not None:
            return True
    return False


def along(values: Array, dims: int, axis: int, size: int) -> Array | None:
    """The vector [size] that `values` are along one axis of a tensor of `dims` axes; None if they are not."""
    wide = values.reshape((1,) * (dims - values.ndim) + values.shape) if values.ndim <= dims else None
    if wide is None or any(n != 1 for place, n in enumerate(wide.shape) if place != axis):
        return None
    return np.broadcast_to(wide.reshape(-1), (size,)) if wide.size in (1, size) else None


class BatchNormChain:
    """BatchNorm after BatchNorm, Mul or Add by channel (or those after it) = one BatchNorm"""

    name, anchors = "batch-norm-chain", frozenset(STEPS)

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        norms = node.op_type == "BatchNormalization" or takes(node, "BatchNormalization")
        outer = step(node) if norms else None
        below = inner(outer.x, *STEPS) if outer is not None else None
        first = first_step(below) if below is not None else None
        if outer is None or below is None or first is None:
            return None
        norm = next((n for n in (node, below) if n.op_type == "BatchNormalization"), None)
        dims, size = rank(first.x), _channels(norm)
        if norm is None or dims is None or size is None:
            return None
        parts = [along(v, dims, CHANNELS, size) for v in (first.scale, first.shift, outer.scale, outer.shift)]
        if any(part is None for part in parts):
            scope.decline(self.name, "the constants are not by channel")
            return None
        one, two = (p for p in (parts[0:2], parts[2:4]))
        scale, shift = two[0] * one[0], two[0] * one[1] + two[1]  # type: ignore[operator]
        return self._write(node, first.x, scale, shift)

    def _write(self, node: ir.Node, x: ir.Value, scale: Array, shift: Array) -> Replacement | None:
        if not (np.isfinite(narrowed(scale, x)).all() and np.isfinite(narrowed(shift, x)).all()):
            return None
        names = {"scale": scale, "bias": shift, "mean": np.zeros_like(scale), "variance": np.ones_like(scale)}
        made = [initializer(name, narrowed(array, x)) for name, array in names.items()]
        norm = node_of("BatchNormalization", [x, *made], {"epsilon": 0.0})
        return Replacement([node.outputs[0]], [norm.outputs[0]], [norm], made)


class ConstantChain:
    """(x · a) · b = x · (a · b); (x + a) + b = x + (a + b); so for Div and Sub"""

    name, anchors = "constant-chain", frozenset({"Mul", "Div", "Add", "Sub"})
    FAMILIES = (frozenset({"Mul", "Div"}), frozenset({"Add", "Sub"}))

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        family = next(f for f in self.FAMILIES if node.op_type in f)
        outer = step(node) if takes(node, *family) else None
        below = inner(outer.x, *family) if outer is not None else None
        first = first_step(below) if below is not None else None
        if outer is None or first is None:
            return None
        scaled = "Mul" in family
        if not scaled and (np.any(first.scale != 1) or np.any(outer.scale != 1)):
            return None  # c - x
        whole = outer.scale * first.scale if scaled else outer.shift + first.shift
        held = narrowed(whole, first.x)
        if not np.isfinite(held).all() or (scaled and not np.array_equal(held == 0, whole == 0)):
            scope.decline(self.name, "the constants together leave the range of the element type")
            return None
        if whole.size > max(outer.scale.size, outer.shift.size, first.scale.size, first.shift.size):
            return None
        by = initializer("constant", held)
        made = node_of("Mul" if scaled else "Add", [first.x, by])
        return Replacement([node.outputs[0]], [made.outputs[0]], [made], [by])


def narrowed(values: Array, like: ir.Value) -> Array:
    """Constants in the element type of `like`; infinite where that cannot hold them."""
    with np.errstate(over="ignore"):
        return values.astype((dtype(like) or ir.DataType.FLOAT).numpy())


def _batch_norm(node: ir.Node) -> Step | None:
    if attribute(node, "training_mode", 0) or len(node.inputs) < 5 or node.inputs[0] is None:
        return None
    if any(out.uses() or out.is_graph_output() for out in node.outputs[1:]):
        return None
    held = [constant(value, LIMIT_ELEMENTS) for value in node.inputs[1:5]]
    if any(array is None for array in held):
        return None
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in held)
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        shift = beta - mean * scale
    dims = rank(node.inputs[0])
    if dims is None or dims < 2:
        return None
    column = (-1,) + (1,) * (dims - 2)
    return Step(node.inputs[0], scale.reshape(column), shift.reshape(column))


def _step(op: str, x: ir.Value | None, other: ir.Value | None, *, swapped: bool) -> Step | None:
    held = constant(other, LIMIT_ELEMENTS)
    if x is None or held is None or constant(x, 1) is not None or (swapped and op == "Div"):
        return None
    if not _keeps_shape(held.shape, shape(x)):
        return None
    scale, shift = _scale_and_shift(op, held.astype(np.float64), swapped)
    return Step(x, scale, shift) if np.isfinite(scale).all() and np.isfinite(shift).all() else None


def _scale_and_shift(op: str, by: Array, swapped: bool) -> tuple[Array, Array]:
    if op == "Add":
        return ONE, by
    if op == "Sub":
        return (-ONE, by) if swapped else (ONE, -by)
    with np.errstate(all="ignore"):
        return by if op == "Mul" else 1 / by, ZERO


def _keeps_shape(narrow: tuple[int, ...], wide: tuple[int | None, ...] | None) -> bool:
    """Whether broadcasting `narrow` to `wide` surely leaves `wide` as it is."""
    if not narrow:
        return True
    if wide is None or len(narrow) > len(wide):
        return False
    return all(n in (1, w) for n, w in zip(narrow, wide[len(wide) - len(narrow) :], strict=True))


def _channels(norm: ir.Node | None) -> int | None:
    held = shape(norm.inputs[1]) if norm is not None and len(norm.inputs) > 1 else None
    return held[0] if held else None
