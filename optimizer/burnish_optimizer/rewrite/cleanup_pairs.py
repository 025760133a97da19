"""Pairs that undo each other, or are one step."""

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.cleanup_noops import integers, put
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.shapes import Dim, dims, same_shape
from burnish_optimizer.rewrite.values import attribute, dtype, initializer, is_op, node_of, rank

T = ir.DataType
RESHAPERS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
SIGNED = (T.INT8, T.INT16, T.INT32, T.INT64)
UNSIGNED = (T.UINT8, T.UINT16, T.UINT32, T.UINT64)
FLOATS = (T.FLOAT16, T.BFLOAT16, T.FLOAT, T.DOUBLE)
# Bits of an integer (without sign) that a float holds exactly: its significand.
SIGNIFICAND = {T.FLOAT16: 11, T.BFLOAT16: 8, T.FLOAT: 24, T.DOUBLE: 53}
WIDER_FLOATS = {
    T.FLOAT16: (T.FLOAT, T.DOUBLE),
    T.BFLOAT16: (T.FLOAT, T.DOUBLE),
    T.FLOAT: (T.DOUBLE,),
}


def embeds(narrow: ir.DataType, wide: ir.DataType) -> bool:
    """Whether every value of `narrow` is one of `wide`."""
    if narrow == wide:
        return True
    if narrow == T.BOOL:
        return wide in (*SIGNED, *UNSIGNED, *FLOATS)
    if narrow in FLOATS:
        return wide in WIDER_FLOATS.get(narrow, ())
    return narrow in (*SIGNED, *UNSIGNED) and _integer_embeds(narrow, wide)


def _integer_embeds(narrow: ir.DataType, wide: ir.DataType) -> bool:
    bits = narrow.bitwidth - (narrow in SIGNED)
    if wide in SIGNIFICAND:
        return bits <= SIGNIFICAND[wide]
    if wide in SIGNED:
        return bits <= wide.bitwidth - 1
    return wide in UNSIGNED and narrow in UNSIGNED and bits <= wide.bitwidth


class CastOfCast:
    """`Cast(Cast(x, B), C)` = `Cast(x, C)` where B holds every value of x's type, `x` where C is that type"""

    name, anchors = "cast-of-cast", frozenset({"Cast"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        inner = is_op(node.inputs[0], "Cast")
        source = dtype(inner.inputs[0]) if inner else None
        if inner is None or source is None:
            return None
        through, to = T(attribute(inner, "to")), T(attribute(node, "to"))
        if not embeds(source, through):
            scope.decline(self.name, f"{through.name} does not hold every {source.name}")
            return None
        if to == source:
            return put(node, inner.inputs[0])
        if not self._direct(source, through, to):
            return None
        made = node_of("Cast", [inner.inputs[0]], {"to": int(to)})
        return Replacement([node.outputs[0]], [made.outputs[0]], [made])

    def _direct(self, source: ir.DataType, through: ir.DataType, to: ir.DataType) -> bool:
        """Numbers out of range are cut by the kernel of the last cast: it must be given the same kind."""
        if to not in (T.BOOL, *SIGNED, *UNSIGNED, *FLOATS):
            return False
        if to == T.BOOL or to in FLOATS:
            return True
        return through not in FLOATS and source not in FLOATS


class TransposeOfTranspose:
    """`Transpose(Transpose(x, p), q)` = `Transpose(x, p[q])`, `x` where p[q] is the identity"""

    name, anchors = "transpose-of-transpose", frozenset({"Transpose"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inner = is_op(node.inputs[0], "Transpose")
        first, second = _order(inner), _order(node)
        if inner is None or first is None or second is None or len(first) != len(second):
            return None
        both = [first[axis] for axis in second]
        if both == sorted(both):
            return put(node, inner.inputs[0])
        made = node_of("Transpose", [inner.inputs[0]], {"perm": both})
        return Replacement([node.outputs[0]], [made.outputs[0]], [made])


def _order(node: ir.Node | None) -> list[int] | None:
    if node is None:
        return None
    given, dimensions = attribute(node, "perm"), rank(node.inputs[0])
    if given:
        return list(given)
    return list(range(dimensions))[::-1] if dimensions is not None else None


class ReshapeOfReshape:
    """`r(s(x))` = `Reshape(x, shape of r)`, `x` where that is its shape

    r, s: Reshape, Flatten, Squeeze, Unsqueeze.
    """

    name, anchors = "reshape-of-reshape", frozenset(RESHAPERS)

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        inner = is_op(node.inputs[0], *RESHAPERS)
        if inner is None:
            return None
        source = inner.inputs[0]
        if same_shape(source, node.outputs[0]) or _undoes(inner, node):
            return put(node, source)
        shape, new = self._own_shape(node, source), []
        if shape is None:
            target = literal(dims(node.outputs[0]))
            if target is None:
                scope.decline(self.name, "the shape is not known, or may hold a 0 beside a -1")
                return None
            shape = initializer("shape", np.array(target, np.int64))
            new = [shape]
        made = node_of("Reshape", [source, shape], self._zeros(node) if not new else {})
        return Replacement([node.outputs[0]], [made.outputs[0]], [made], new)

    def _own_shape(self, node: ir.Node, source: ir.Value | None) -> ir.Value | None:
        """A Reshape's own shape, where what it copies is the same dimension of x."""
        shape = integers(node, "shape", 1) if node.op_type == "Reshape" else None
        if shape is None:
            return None
        between, own = dims(node.inputs[0]) or (), dims(source) or ()
        copied = [i for i, n in enumerate(shape) if n == 0 and not attribute(node, "allowzero", 0)]
        kept = [own[i] for i in copied if own[i : i + 1] == between[i : i + 1] != ()]
        return node.inputs[1] if len(kept) == len(copied) and None not in kept else None

    def _zeros(self, node: ir.Node) -> dict[str, int]:
        return {"allowzero": 1} if node.op_type == "Reshape" and attribute(node, "allowzero", 0) else {}


def literal(shape: tuple[Dim, ...] | None) -> tuple[int, ...] | None:
    """A constant for Reshape that gives this shape: at most one -1, and then nothing that may be 0."""
    if shape is None or any(d == 0 for d in shape):
        return None
    numbers = tuple(d if isinstance(d, int) else -1 for d in shape)
    return numbers if numbers.count(-1) <= 1 else None


def _undoes(inner: ir.Node, node: ir.Node) -> bool:
    """Squeeze and Unsqueeze of the same axes. A Squeeze without axes takes what it finds: not known."""
    if {inner.op_type, node.op_type} != {"Squeeze", "Unsqueeze"}:
        return False
    first, second = integers(inner, "axes", 1), integers(node, "axes", 1)
    between = rank(inner.outputs[0])
    if not first or not second:
        return False
    if min(*first, *second, 0) < 0:
        if between is None:
            return False
        wide = between + (len(first) if inner.op_type == "Squeeze" else 0)
        first, second = (tuple(a % wide for a in axes) for axes in (first, second))
    return sorted(first) == sorted(second)


class AxesOfAxes:
    """`Squeeze(Squeeze(x, a), b)` = `Squeeze(x, a ∪ b)`; the same for Unsqueeze"""

    name, anchors = "axes-of-axes", frozenset({"Squeeze", "Unsqueeze"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inner = is_op(node.inputs[0], node.op_type)
        first, second = (integers(n, "axes", 1) if n else None for n in (inner, node))
        if inner is None or not first or not second or min(*first, *second) < 0:
            return None
        wide, narrow = (first, second) if node.op_type == "Squeeze" else (second, first)
        both = sorted((*wide, *_outside(wide, narrow)))
        old = "axes" in node.attributes
        axes = None if old else initializer("axes", np.array(both, np.int64))
        made = node_of(node.op_type, [inner.inputs[0], axes], {"axes": both} if old else {})
        constants = [axes] if axes is not None else []
        return Replacement([node.outputs[0]], [made.outputs[0]], [made], constants)


def _outside(wide: tuple[int, ...], narrow: tuple[int, ...]) -> list[int]:
    """Axes of the tensor without `wide`, as axes of the tensor with them."""
    last = max(*narrow, 0) + len(wide) + 1
    left = [axis for axis in range(last + 1) if axis not in wide]
    return [left[axis] for axis in narrow]


PAIRS = (CastOfCast(), TransposeOfTranspose(), ReshapeOfReshape(), AxesOfAxes())
