"""Arithmetic that changes no bit: neutral elements, involutions, idempotent functions.

Only what holds for NaN, infinities and both zeros: x + 0.0 is not x, since -0.0 + 0.0 = 0.0.
"""

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.cleanup_noops import put
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.shapes import dims, same_shape
from burnish_optimizer.rewrite.values import attribute, constant, dtype, is_op, scalar

MAX_NEUTRAL_ELEMENTS = 1 << 16
INTEGER = "iu"

Neutral = Callable[[np.ndarray], bool]


def _zeros_to_add(array: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> bool:
    """0 for integers; for floats only -0.0: x + -0.0 = x for every x."""
    return not array.any() and (array.dtype.kind in INTEGER or bool(np.signbit(array).all()))


def _zeros_to_take(array: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> bool:
    """0 for integers; for floats only 0.0: x - 0.0 = x for every x."""
    return bool((array == 0).all() and (array.dtype.kind in INTEGER or not np.signbit(array).any()))


def _all(number: int) -> Neutral:
    return lambda array: bool((array == number).all())


# op → (what is neutral, may it stand on the left, too)
NEUTRAL: dict[str, tuple[Neutral, bool]] = {
    "Add": (_zeros_to_add, True),
    "Sub": (_zeros_to_take, False),
    "Mul": (_all(1), True),
    "Div": (_all(1), False),
    "Pow": (_all(1), False),
    "And": (_all(1), True),
    "Or": (_all(0), True),
    "Xor": (_all(0), True),
    "BitwiseOr": (_all(0), True),
    "BitwiseXor": (_all(0), True),
    "BitShift": (_all(0), False),
}


class NeutralElement:
    """`x + -0.0` = `x - 0.0` = `x * 1` = `x / 1` = `x ** 1` = `x and true` = `x or false` = `x`"""

    name, anchors = "neutral-element", frozenset(NEUTRAL)

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        neutral, commutes = NEUTRAL[node.op_type]
        left, right = node.inputs[0], node.inputs[1]
        for source, other in ((left, right), (right, left))[: 2 if commutes else 1]:
            array = constant(other, MAX_NEUTRAL_ELEMENTS)
            if array is None or array.size == 0 or array.dtype.kind not in "biufV":
                continue
            if neutral(array) and self._keeps_shape(source, other, node):
                return put(node, source)
            if node.op_type in ("Add", "Sub") and not array.any():
                scope.decline(self.name, "adding 0.0 turns -0.0 into 0.0, or broadcasts")
        return None

    def _keeps_shape(self, source: ir.Value | None, other: ir.Value | None, node: ir.Node) -> bool:
        own, added = dims(source), dims(other)
        if added == () or same_shape(source, node.outputs[0]):
            return True
        return own is not None and added is not None and len(added) <= len(own) and set(added) <= {1}


class Involution:
    """`f(f(x))` = `x` for `f` = Not, Neg, BitwiseNot"""

    name, anchors = "involution", frozenset({"Not", "Neg", "BitwiseNot"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inner = is_op(node.inputs[0], node.op_type)
        return put(node, inner.inputs[0]) if inner else None


ROUNDERS = ("Ceil", "Floor", "Round")


class Idempotent:
    """`f(f(x))` = `f(x)` for `f` = Relu, Abs, Sign; `f(g(x))` = `g(x)` for roundings to integers `f`, `g`"""

    name, anchors = "idempotent", frozenset({"Relu", "Abs", "Sign", *ROUNDERS})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inner = is_op(node.inputs[0], *(ROUNDERS if node.op_type in ROUNDERS else (node.op_type,)))
        return put(node, node.inputs[0]) if inner else None


class AbsOfNeg:
    """`Abs(Neg(x))` = `Abs(x)`"""

    name, anchors = "abs-of-neg", frozenset({"Abs"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inner = is_op(node.inputs[0], "Neg")
        if inner is None:
            return None
        made = ir.node("Abs", [inner.inputs[0]])
        return Replacement([node.outputs[0]], [made.outputs[0]], [made])


class ClampOfClamp:
    """`f(Clip(x, a, b))` = `Clip(x, a, b)` where `f` is a Relu or a Clip whose bounds hold already"""

    name, anchors = "clamp-of-clamp", frozenset({"Relu", "Clip"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inner = is_op(node.inputs[0], "Clip")
        outer, held = bounds(node), bounds(inner) if inner is not None else None
        if outer is None or held is None or not held[0] <= held[1]:
            return None
        # Equal bounds are one bound, but for zeros: which of 0.0 and -0.0 comes out is the kernel's choice.
        below = outer[0] < held[0] or (outer[0] == held[0] != 0)
        above = held[1] < outer[1] or (outer[1] == held[1] != 0)
        same = node.op_type == "Clip" and _bits(outer) == _bits(held)
        return put(node, node.inputs[0]) if same or (below and above) else None


def bounds(node: ir.Node) -> tuple[float, float] | None:
    """What a Clip or Relu clamps to; None where a bound is not constant. Floats only."""
    kind = dtype(node.inputs[0]) or dtype(node.outputs[0])
    if kind is None or not kind.is_floating_point():
        return None
    if node.op_type == "Relu":
        return (0.0, math.inf)
    found = [_bound(node, 1, "min", -math.inf), _bound(node, 2, "max", math.inf)]
    low, high = found
    return None if low is None or high is None or math.isnan(low) or math.isnan(high) else (low, high)


def _bound(node: ir.Node, position: int, name: str, default: float) -> float | None:
    given = attribute(node, name)
    if given is not None:
        return float(given)
    if len(node.inputs) <= position or node.inputs[position] is None:
        return default
    found = scalar(node.inputs[position])
    return None if found is None else float(found)


def _bits(numbers: tuple[float, float]) -> bytes:
    return np.array(numbers).tobytes()


ALGEBRA = (NeutralElement(), Involution(), Idempotent(), AbsOfNeg(), ClampOfClamp())
