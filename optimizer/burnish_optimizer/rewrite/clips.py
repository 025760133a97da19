"""Clip, Relu and comparisons with Where: limits of a value in one operator."""

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.affine import affine, inner, near, number, product, with_number
from burnish_optimizer.rewrite.choose import may_write, opset, standard
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import (
    attribute,
    dtype,
    initializer,
    is_op,
    node_of,
    rank,
    scalar,
    shape,
)

INFINITY = float("inf")


def bounds(node: ir.Node) -> tuple[float | None, float | None]:
    """Constant limits of a Clip (attributes to opset 10, inputs from 11); None where not constant.

    A limit that is not given is an infinity.
    """
    found: list[float | None] = []
    for index, (name, free) in enumerate((("min", -INFINITY), ("max", INFINITY)), start=1):
        value = node.inputs[index] if index < len(node.inputs) else None
        held = scalar(value) if value is not None else attribute(node, name, free)
        found.append(None if held is None else float(held))
    return found[0], found[1]


def as_clip(scope: Scope, old: ir.Value, x: ir.Value, limits: dict[str, float]) -> Replacement | None:
    """Clip(x, min, max) in the form that the opset has; infinite limits are left out."""
    kind = dtype(x)
    if kind is None or not may_write(scope, "min-max-to-clip", x, "Clip", 6):
        return None
    given = {name: limit for name, limit in limits.items() if abs(limit) != INFINITY}
    if opset(scope) < 11:
        return standard(old, node_of("Clip", [x], given))
    held = {name: initializer(name, np.array(limit, kind.numpy())) for name, limit in given.items()}
    node = node_of("Clip", [x, held.get("min"), held.get("max")])
    return Replacement([old], [node.outputs[0]], [node], list(held.values()))


class MinMaxClip:
    """min(max(x, a), b) = Clip(x, a, b) for numbers a ≤ b, the other order and nested Clips too"""

    name, anchors = "min-max-to-clip", frozenset({"Min", "Max", "Clip", "Relu"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        outer = _limits(node)
        below = outer[0].producer() if outer and inner(outer[0], "Min", "Max", "Clip", "Relu") else None
        within = _limits(below) if below is not None else None
        if outer is None or within is None:
            return None
        _, low, high = outer
        x, least, most = within
        if least > most or low > high or max(least, low) > min(most, high):
            scope.decline(self.name, "the limits leave no range")
            return None
        limits = {"min": max(least, low), "max": min(most, high)}
        return as_clip(scope, node.outputs[0], x, limits)


class MaxRelu:
    """max(x, 0) = Relu(x)"""

    name, anchors = "max-to-relu", frozenset({"Max"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = with_number(node)
        if found is None or found[1] != 0.0 or not may_write(scope, self.name, found[0], "Relu", 6):
            return None
        return standard(node.outputs[0], node_of("Relu", [found[0]]))


class WhereClip:
    """Where(b < t, b, t) with t = Where(x < a, a, x) = Clip(x, a, b)"""

    name, anchors = "where-to-clip", frozenset({"Where"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        parts = _where_limit(node)
        if parts is None:
            return None
        x, limit, is_low = parts
        low, high = (limit, None) if is_low else (None, limit)
        below = inner_pair(x)
        inside = _where_limit(below) if below is not None and not is_low else None
        if inside is not None and inside[2]:
            x, low = inside[0], inside[1]
        if opset(scope) < 12 or any(v is not None and rank(v) != 0 for v in (low, high)):
            return None
        if not may_write(scope, self.name, x, "Clip", 12):
            return None
        return standard(node.outputs[0], node_of("Clip", [x, low, high]))


class HardSigmoid:
    """scale · Clip(a · x + b, 0, 1/scale) = HardSigmoid(x, alpha = a · scale, beta = b · scale)"""

    name, anchors = "hard-sigmoid", frozenset({"Clip", "Mul", "Div"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        whole = product(node.outputs[0])
        top = whole.factors[0]
        clip = node if top is node.outputs[0] else inner(top, "Clip")
        if clip is None or len(whole.factors) != 1 or clip.op_type != "Clip" or clip.inputs[0] is None:
            return None
        low, high = bounds(clip)
        inside = affine(clip.inputs[0])
        if low != 0.0 or high is None or not near(whole.scale * high, 1.0) or inside.value is clip.inputs[0]:
            return None
        alpha, beta = whole.scale * inside.scale, whole.scale * inside.offset
        if not may_write(scope, self.name, inside.value, "HardSigmoid", 6):
            return None
        gate = node_of("HardSigmoid", [inside.value], {"alpha": alpha, "beta": beta})
        return standard(node.outputs[0], gate)


class OrEqual:
    """x > y or x = y is x ≥ y, and so for ≤"""

    name, anchors = "or-equal", frozenset({"Or"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        sides = [inner(value, "Greater", "Less", "Equal") for value in node.inputs]
        strict = next((s for s in sides if s is not None and s.op_type != "Equal"), None)
        equal = next((s for s in sides if s is not None and s.op_type == "Equal"), None)
        if strict is None or equal is None or set(map(id, strict.inputs)) != set(map(id, equal.inputs)):
            return None
        name = f"{strict.op_type}OrEqual"
        if not may_write(scope, self.name, strict.inputs[0], name, 12):
            return None
        return standard(node.outputs[0], node_of(name, list(strict.inputs)))


def inner_pair(value: ir.Value) -> ir.Node | None:
    """The Where behind a value that its comparison and its choice need, and nothing else."""
    node = is_op(value, "Where")
    return node if node is not None and len(value.uses()) == 2 and not value.is_graph_output() else None


def _limits(node: ir.Node) -> tuple[ir.Value, float, float] | None:
    """x, low, high of a node that limits x by numbers."""
    if is_op(node.outputs[0], "Relu") and node.inputs[0] is not None:
        return node.inputs[0], 0.0, INFINITY
    if is_op(node.outputs[0], "Clip") and node.inputs[0] is not None:
        low, high = bounds(node)
        return None if low is None or high is None else (node.inputs[0], low, high)
    found = with_number(node) if is_op(node.outputs[0], "Min", "Max") else None
    if found is None or found[1] != found[1]:
        return None
    return (found[0], found[1], INFINITY) if node.op_type == "Max" else (found[0], -INFINITY, found[1])


def _where_limit(node: ir.Node) -> tuple[ir.Value, ir.Value, bool] | None:
    """x, limit, whether it is the lower one: Where(x < limit, limit, x) or Where(limit < x, limit, x)."""
    condition, limit, x = node.inputs
    less = inner(condition, "Less", "Greater")
    if less is None or limit is None or x is None or (shape(limit) != () and number(limit, x) is None):
        return None
    left, right = less.inputs if less.op_type == "Less" else less.inputs[::-1]
    if left is x and right is limit:
        return x, limit, True
    return (x, limit, False) if left is limit and right is x else None
