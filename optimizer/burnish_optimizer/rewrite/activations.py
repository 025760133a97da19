"""Gated activations x · f(x), written out as products in any order: GELU, SiLU, HardSwish, Mish."""

import math
from collections.abc import Iterator

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.affine import affine, inner, near, number, power, product, total
from burnish_optimizer.rewrite.choose import contrib, may_write, objection, opset, standard
from burnish_optimizer.rewrite.clips import bounds
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, node_of
from burnish_optimizer.targets.kernels import MICROSOFT

PRODUCTS = frozenset({"Mul", "Div"})
GELU_CUBE = 0.044715  # Hendrycks & Gimpel 2016, the tanh form
SWISH_OPSET = 24


def gated(node: ir.Node) -> Iterator[tuple[float, ir.Value, ir.Value]]:
    """(scale, x, f) of a product scale · x · f, both ways round."""
    found = product(node.outputs[0])
    if len(found.factors) == 2:
        first, second = found.factors
        yield found.scale, first, second
        yield found.scale, second, first


def ends_gate(node: ir.Node) -> bool:
    """Whether a product by a number is the last step of a GELU that is spelled out.

    Whoever runs the model knows it by all of its steps: without the number at its end it is five operators.
    """
    gates = gated(node) if node.op_type in PRODUCTS else ()
    return any(_one_plus(gate, op) is not None for _, _, gate in gates for op in ("Erf", "Tanh"))


class Gelu:
    """x · (1 + erf(x / √2)) / 2 = Gelu(x)"""

    name, anchors = "gelu", PRODUCTS

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        for scale, x, gate in gated(node):
            erf = _one_plus(gate, "Erf")
            found = affine(erf.inputs[0]) if erf is not None and erf.inputs[0] is not None else None
            if found is None or found.value is not x or found.offset:
                continue
            if not near(scale, 0.5, x):
                continue  # the half may still come, one node on
            if not near(found.scale, math.sqrt(0.5), x):
                scope.decline(self.name, f"x · (1 + erf({found.scale:.6g} · x)) / 2 is no GELU")
                continue
            return write_gelu(scope, self.name, node.outputs[0], x, "none")
        return None


class TanhGelu:
    """x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2 = Gelu(x, approximate="tanh")"""

    name, anchors = "tanh-gelu", PRODUCTS

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        for scale, x, gate in gated(node):
            tanh = _one_plus(gate, "Tanh")
            if tanh is None or not near(scale, 0.5, x) or not _is_gelu_argument(tanh.inputs[0], x):
                continue
            return write_gelu(scope, self.name, node.outputs[0], x, "tanh")
        return None


class QuickGelu:
    """x · σ(1.702 · x) = QuickGelu(x)"""

    name, anchors = "quick-gelu", PRODUCTS

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        for scale, x, gate in gated(node):
            sigmoid = inner(gate, "Sigmoid")
            found = affine(sigmoid.inputs[0]) if sigmoid and sigmoid.inputs[0] is not None else None
            if found is None or scale != 1.0 or found.value is not x or found.offset or found.scale == 1.0:
                continue
            return write_swish(scope, self.name, node.outputs[0], x, found.scale)
        return None


class Silu:
    """x · σ(x) = Swish(x)"""

    name, anchors = "silu", frozenset({"Mul"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        for scale, x, gate in gated(node):
            sigmoid = inner(gate, "Sigmoid")
            if sigmoid is not None and scale == 1.0 and sigmoid.inputs[0] is x:
                return write_swish(scope, self.name, node.outputs[0], x, 1.0)
        return None


class HardSwish:
    """x · max(0, min(1, x/6 + 1/2)) = HardSwish(x); where there is no kernel of it, x · HardSigmoid(x)"""

    name, anchors = "hard-swish", PRODUCTS

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        for scale, x, gate in gated(node):
            if _is_hard_swish(scale, x, gate):
                return self._write(node.outputs[0], x, gate, scope)
        return None

    def _write(self, old: ir.Value, x: ir.Value, gate: ir.Value, scope: Scope) -> Replacement | None:
        if not objection(scope, x, "HardSwish", 14):
            return standard(old, node_of("HardSwish", [x]))
        if inner(gate, "HardSigmoid") or not may_write(scope, self.name, x, "HardSigmoid", 6):
            return None
        sigmoid = node_of("HardSigmoid", [x], {"alpha": 1 / 6, "beta": 0.5})
        return standard(old, sigmoid, node_of("Mul", [x, sigmoid.outputs[0]]))


class Mish:
    """x · tanh(softplus(x)) = Mish(x)"""

    name, anchors = "mish", frozenset({"Mul"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        for scale, x, gate in gated(node):
            tanh = inner(gate, "Tanh")
            soft = inner(tanh.inputs[0], "Softplus") if tanh is not None else None
            if scale != 1.0 or soft is None or soft.inputs[0] is not x:
                continue
            if may_write(scope, self.name, x, "Mish", 18):
                return standard(node.outputs[0], node_of("Mish", [x]))
        return None


class BiasGelu:
    """Gelu(x + b) = BiasGelu(x, b) for a bias of the last axis"""

    name, anchors = "bias-gelu", frozenset({"Gelu", f"{MICROSOFT}::Gelu"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        add = inner(node.inputs[0], "Add")
        if add is None or attribute(node, "approximate", "none") != "none":
            return None
        for x, bias in (add.inputs, add.inputs[::-1]):
            if x is not None and bias is not None and _bias_of_last_axis(bias, x):
                if may_write(scope, self.name, x, "BiasGelu", domain=MICROSOFT):
                    return contrib(node.outputs[0], node_of("BiasGelu", [x, bias], domain=MICROSOFT))
                return None
        return None


def write_gelu(scope: Scope, rule: str, old: ir.Value, x: ir.Value, form: str) -> Replacement | None:
    """Gelu as the opset has it (20), or as ONNX Runtime's own operator."""
    against = objection(scope, x, "Gelu", 20)
    if not against:
        return standard(old, node_of("Gelu", [x], {"approximate": form}))
    name = "Gelu" if form == "none" else "FastGelu"
    if not objection(scope, x, name, domain=MICROSOFT):
        return contrib(old, node_of(name, [x], domain=MICROSOFT))
    scope.decline(rule, against)
    return None


def write_swish(scope: Scope, rule: str, old: ir.Value, x: ir.Value, alpha: float) -> Replacement | None:
    """x · σ(alpha · x) as the opset has it (24), or as ONNX Runtime's QuickGelu, which takes any alpha.

    ONNX Runtime 1.32 has no kernel of Swish, and takes its function body at the opset that brought it only.
    """
    against = objection(scope, x, "Swish", SWISH_OPSET)
    if not against and opset(scope) > SWISH_OPSET:
        against = f"Swish does not load at opset {opset(scope)}"
    if not against:
        return standard(old, node_of("Swish", [x], {"alpha": alpha}))
    if not objection(scope, x, "QuickGelu", domain=MICROSOFT):
        return contrib(old, node_of("QuickGelu", [x], {"alpha": alpha}, domain=MICROSOFT))
    scope.decline(rule, against)
    return None


def _one_plus(value: ir.Value, op: str) -> ir.Node | None:
    """The node f of 1 + f(…), where nothing else needs either."""
    found = total(value) if inner(value, "Add", "Sum") else None
    if found is None or found.offset != 1.0 or len(found.terms) != 1:
        return None
    return inner(found.terms[0], op)


def _is_gelu_argument(value: ir.Value | None, x: ir.Value) -> bool:
    """√(2/π) · (x + c · x³), or √(2/π) · x · (1 + c · x²)."""
    if value is None:
        return False
    found = product(value)
    if not near(found.scale, math.sqrt(2 / math.pi), x):
        return False
    if len(found.factors) == 1:
        inside = total(found.factors[0])
        others = [t for t in inside.terms if t is not x]
        two = inside.offset == 0 and len(inside.terms) == 2 and len(others) == 1
        return two and _scaled_power(others[0], x, 3)
    others = [f for f in found.factors if f is not x]
    if len(found.factors) != 2 or len(others) != 1:
        return False
    inside = total(others[0])
    return inside.offset == 1.0 and len(inside.terms) == 1 and _scaled_power(inside.terms[0], x, 2)


def _scaled_power(value: ir.Value, x: ir.Value, exponent: int) -> bool:
    """c · x**exponent, written with Pow or with Mul in any order."""
    found = product(value)
    degree = 0
    for factor in found.factors:
        held = next((n for n in (1, 2, 3) if factor is x or power(factor, x, n)), 0)
        if not held:
            return False
        degree += held
    return degree == exponent and near(found.scale, GELU_CUBE, x)


def _is_hard_swish(scale: float, x: ir.Value, gate: ir.Value) -> bool:
    node = inner(gate, "HardSigmoid")
    if node is not None:
        alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
        return scale == 1.0 and node.inputs[0] is x and near(alpha, 1 / 6, x) and near(beta, 0.5, x)
    node = inner(gate, "Clip")
    if node is None or node.inputs[0] is None:
        return False
    low, high = bounds(node)
    inside = affine(node.inputs[0])
    if inside.value is not x or low != 0.0 or high is None:
        return False
    found = (scale * high, scale * inside.scale, scale * inside.offset)
    return all(near(one, wanted, x) for one, wanted in zip(found, (1.0, 1 / 6, 0.5), strict=True))


def _bias_of_last_axis(bias: ir.Value, x: ir.Value) -> bool:
    wide, narrow = x.shape, bias.shape
    if wide is None or narrow is None or len(narrow) != 1 or len(wide) < 2 or number(bias, x) is not None:
        return False
    return isinstance(wide[-1], int) and wide[-1] == narrow[0] and bias.producer() is None
