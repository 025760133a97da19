"""Activations written out in parts, as ONNX's own function bodies have them: ELU, SELU, softplus …"""

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.affine import divided, inner, near, number, product, total, with_number
from burnish_optimizer.rewrite.choose import may_write, standard
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, is_op, node_of, rank

WHERE = frozenset({"Where"})


class LeakyRelu:
    """Where(x < 0, a · x, x) = LeakyRelu(x, a), and PRelu(x, a) where a is no number"""

    name, anchors = "leaky-relu", WHERE

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = negative_part(node)
        if found is None or found[2] is not found[0]:
            return None
        x, slope = found[0], product(found[1])
        others = [f for f in slope.factors if f is not x]
        if not _needed_here(found[1]) or len(others) != len(slope.factors) - 1:
            return None
        if not others and may_write(scope, self.name, x, "LeakyRelu", 6):
            return standard(node.outputs[0], node_of("LeakyRelu", [x], {"alpha": slope.scale}))
        return self._learned(node, x, others, scope) if len(others) == 1 and slope.scale == 1.0 else None

    def _learned(
        self, node: ir.Node, x: ir.Value, others: list[ir.Value], scope: Scope
    ) -> Replacement | None:
        wide, narrow = rank(x), rank(others[0])
        if wide is None or narrow is None or narrow > wide or not may_write(scope, self.name, x, "PRelu", 9):
            return None
        return standard(node.outputs[0], node_of("PRelu", [x, others[0]]))


class Elu:
    """Where(x < 0, a · (exp(x) - 1), x) = Elu(x, a)"""

    name, anchors = "elu", WHERE

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = negative_part(node)
        if found is None or found[2] is not found[0] or not _needed_here(found[1]):
            return None
        x, part = found[0], product(found[1])
        if len(part.factors) != 1 or not _exp_plus(part.factors[0], x, 1.0, -1.0):
            return None
        if not may_write(scope, self.name, x, "Elu", 6):
            return None
        return standard(node.outputs[0], node_of("Elu", [x], {"alpha": part.scale}))


class Selu:
    """Where(x < 0, g · (a · exp(x) - a), g · x) = Selu(x, a, g)"""

    name, anchors = "selu", WHERE

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = negative_part(node)
        if found is None or not _needed_here(found[1]) or not _needed_here(found[2]):
            return None
        x, low, high = found[0], product(found[1]), product(found[2])
        if high.factors != (x,) or len(low.factors) != 1:
            return None
        alpha = _alpha_of_selu(low.factors[0], x)
        if alpha is None or not may_write(scope, self.name, x, "Selu", 6):
            return None
        alpha, gamma = alpha * low.scale / high.scale, high.scale
        return standard(node.outputs[0], node_of("Selu", [x], {"alpha": alpha, "gamma": gamma}))


class Celu:
    """a · Elu(x / a, 1) = Celu(x, a)"""

    name, anchors = "celu", frozenset({"Mul"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        outer = with_number(node)
        elu = inner(outer[0], "Elu") if outer else None
        scaled = inner(elu.inputs[0], "Div") if elu is not None else None
        below = divided(scaled) if scaled is not None else None
        if outer is None or elu is None or below is None or attribute(elu, "alpha", 1.0) != 1.0:
            return None
        if below[1] != outer[1] or not may_write(scope, self.name, below[0], "Celu", 12):
            return None
        return standard(node.outputs[0], node_of("Celu", [below[0]], {"alpha": outer[1]}))


class ThresholdedRelu:
    """Where(a < x, x, 0) = ThresholdedRelu(x, a)"""

    name, anchors = "thresholded-relu", WHERE

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        condition, x, other = node.inputs
        less = inner(condition, "Less", "Greater")
        if less is None or x is None or number(other, x) != 0.0:
            return None
        left, right = less.inputs if less.op_type == "Less" else less.inputs[::-1]
        alpha = number(left, x)
        if right is not x or alpha is None or not may_write(scope, self.name, x, "ThresholdedRelu", 10):
            return None
        return standard(node.outputs[0], node_of("ThresholdedRelu", [x], {"alpha": alpha}))


class Softplus:
    """log(exp(x) + 1) = Softplus(x)"""

    name, anchors = "softplus", frozenset({"Log"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        inside = node.inputs[0]
        terms = total(inside).terms if inside is not None else ()
        exp = inner(terms[0], "Exp") if len(terms) == 1 else None
        x = exp.inputs[0] if exp is not None else None
        if x is None or inside is None or not _exp_plus(inside, x, 1.0, 1.0):
            return None
        if not may_write(scope, self.name, x, "Softplus"):
            return None
        return standard(node.outputs[0], node_of("Softplus", [x]))


class Softsign:
    """x / (1 + |x|) = Softsign(x)"""

    name, anchors = "softsign", frozenset({"Div"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        x, below = node.inputs
        if x is None or below is None or not inner(below, "Add", "Sum"):
            return None
        found = total(below)
        size = inner(found.terms[0], "Abs") if len(found.terms) == 1 and found.offset == 1.0 else None
        if size is None or size.inputs[0] is not x or not may_write(scope, self.name, x, "Softsign"):
            return None
        return standard(node.outputs[0], node_of("Softsign", [x]))


def negative_part(node: ir.Node) -> tuple[ir.Value, ir.Value, ir.Value] | None:
    """x, f, g of a Where that is f where x < 0 and g where not (so for NaN)."""
    condition, low, high = node.inputs
    less = inner(condition, "Less", "Greater")
    if less is None or low is None or high is None:
        return None
    x, zero = less.inputs if less.op_type == "Less" else less.inputs[::-1]
    return (x, low, high) if x is not None and number(zero, x) == 0.0 else None


def _needed_here(value: ir.Value) -> bool:
    return inner(value, "Mul", "Sub", "Add", "Div", "Neg") is not None


def _exp_plus(value: ir.Value, x: ir.Value, scale: float, offset: float) -> bool:
    """Whether `value` is scale · exp(x) + offset, where nothing else needs it."""
    found = total(value) if inner(value, "Add", "Sum", "Sub") else None
    if found is None or len(found.terms) != 1 or not near(found.offset, offset, x):
        return False
    term = product(found.terms[0])
    exp = inner(term.factors[0], "Exp") if len(term.factors) == 1 else None
    return exp is not None and exp.inputs[0] is x and near(term.scale, scale, x)


def _alpha_of_selu(value: ir.Value, x: ir.Value) -> float | None:
    """a of a · exp(x) - a."""
    found = total(value) if is_op(value, "Add", "Sub") else None
    alpha = -found.offset if found is not None else 0.0
    return alpha if alpha and _exp_plus(value, x, alpha, -alpha) else None
