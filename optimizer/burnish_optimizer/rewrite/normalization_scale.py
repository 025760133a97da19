"""Scale, bias and skip connection of a normalization, taken into the operator."""

from dataclasses import dataclass
from itertools import takewhile
from math import prod

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.choose import CONTRIB, contrib, may_write
from burnish_optimizer.rewrite.normalization import Written, used_after
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.same_shape import same_shape
from burnish_optimizer.rewrite.values import (
    attribute,
    constant,
    dtype,
    is_op,
    node_of,
    rank,
    shape,
    used_once,
)
from burnish_optimizer.targets.kernels import MICROSOFT

LAYER = "LayerNormalization"
NORMS = (LAYER, "RMSNormalization")
# ONNX Runtime's word for RMS normalization is "simplified": its own SimplifiedLayerNormalization stands in
# ONNX's domain, where ONNX knows no such operator, so it is never written.
SKIPS = {LAYER: "SkipLayerNormalization", "RMSNormalization": "SkipSimplifiedLayerNormalization"}


@dataclass(frozen=True)
class Operand:
    """What a normalization's result (or a matrix view of it) is scaled or shifted by, and where."""

    user: ir.Node
    by: ir.Value
    view: tuple[int, ...] | None


class NormScale:
    """Normalization(x, 1) · γ = Normalization(x, γ)"""

    name, anchors = "norm-scale", frozenset(NORMS)

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = _operand(node, "Mul", scope, self.name) if _is_ones(node.inputs[1]) else None
        return _write(node, found, [node.inputs[0], found.by, *node.inputs[2:]]) if found else None


class NormBias:
    """LayerNormalization(x, γ) + β = LayerNormalization(x, γ, β)"""

    name, anchors = "norm-bias", frozenset({LAYER})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = _operand(node, "Add", scope, self.name) if len(node.inputs) == 2 else None
        return _write(node, found, [*node.inputs, found.by]) if found else None


class SkipLayerNorm:
    """LayerNormalization(x + s, γ, β) = SkipLayerNormalization(x, s, γ, β), which gives the sum too"""

    name, anchors = "skip-layer-norm", frozenset(NORMS)

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        whole, name = node.inputs[0], SKIPS[node.op_type]
        add = is_op(whole, "Add")
        if add is None or whole is None or len(node.outputs) > 1:
            return None
        if rank(whole) != 3 or attribute(node, "axis", -1) not in (-1, 2):
            return None
        if not same_shape(*add.inputs[:2]):
            return None  # the kernel takes a skip of the very shape of x only
        if not may_write(scope, self.name, whole, name, domain=MICROSOFT):
            return None
        alone = len(whole.uses()) == 1 and not whole.is_graph_output()
        if not alone and not used_after(whole, node):
            scope.decline(self.name, "the sum is used before the normalization")
            return None
        return _skip(node, add, name, alone)


def _skip(node: ir.Node, add: ir.Node, name: str, alone: bool) -> Replacement:
    attributes = {"epsilon": attribute(node, "epsilon", 1e-5)}
    inputs = [*add.inputs, *node.inputs[1:]]
    made = node_of(name, inputs, attributes, outputs=1 if alone else 4, domain=MICROSOFT)
    if alone:
        return contrib(node.outputs[0], made)
    old, new = [node.outputs[0], add.outputs[0]], [made.outputs[0], made.outputs[3]]
    return Replacement(old, new, [made], domains=CONTRIB)


def _operand(norm: ir.Node, op: str, scope: Scope, rule: str) -> Operand | None:
    """The other input of the `op` that alone uses a normalization, of the normalized axes' shape."""
    value, view = norm.outputs[0], None
    user = _only_user(value)
    if user is not None and is_op(user.outputs[0], "Reshape") and user.inputs[0] is value:
        value = user.outputs[0]
        view, user = _known(value), _only_user(value)
    if user is None or not is_op(user.outputs[0], op) or (view is None and value is not norm.outputs[0]):
        return None
    other = user.inputs[1] if user.inputs[0] is value else user.inputs[0]
    by = _of_shape(other, shape(norm.inputs[1]) or ()) if other is not None else None
    if by is None or dtype(by) != dtype(user.outputs[0]) or not _ready(by, norm):
        scope.decline(rule, "the operand has another shape than the normalized axes, or comes later")
        return None
    return Operand(user, by, view)


def _only_user(value: ir.Value) -> ir.Node | None:
    return next(iter(value.uses())).node if used_once(value) else None


def _known(value: ir.Value) -> tuple[int, ...] | None:
    dims = shape(value)
    return None if dims is None or None in dims else tuple(size or 0 for size in dims)


def _ready(value: ir.Value, node: ir.Node) -> bool:
    """Whether `value` is there before `node` runs."""
    maker = value.producer()
    if maker is None or maker.graph is not node.graph:
        return True
    return any(other is maker for other in takewhile(lambda other: other is not node, node.graph or ()))


def _of_shape(value: ir.Value, dims: tuple[int | None, ...]) -> ir.Value | None:
    """`value`, or what it is a row view of, where that has these dimensions."""
    if shape(value) == dims:
        return value
    view = is_op(value, "Reshape")
    whole = view.inputs[0] if view is not None else None
    row = shape(value)
    if whole is None or row is None or shape(whole) != dims or None in dims or None in row:
        return None
    return whole if row[-1] == prod(d or 0 for d in dims) and all(d == 1 for d in row[:-1]) else None


def _write(norm: ir.Node, found: Operand, inputs: list[ir.Value | None]) -> Replacement:
    made = Written()
    attributes = {key: attribute(norm, key) for key in norm.attributes}
    new = made.node(norm.op_type, inputs, len(norm.outputs), **attributes)
    result = new.outputs[0] if found.view is None else made.view(new.outputs[0], found.view)
    kept = [
        (v, new.outputs[n]) for n, v in enumerate(norm.outputs) if n and (v.uses() or v.is_graph_output())
    ]
    old = [found.user.outputs[0], *(before for before, _ in kept)]
    return Replacement(old, [result, *(after for _, after in kept)], made.nodes, made.constants)


def _is_ones(value: ir.Value | None) -> bool:
    found = constant(value)
    return found is not None and bool((found == 1).all())
