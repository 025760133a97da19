"""Layer and RMS normalization, written out in parts, as one operator with a scale of ones.

`normalization_scale` then puts the model's own scale and bias in. Where the parts work on a matrix view of x
(ONNX's function body does), the operator works on x and its result is viewed so: views cancel in clean-up.
"""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.affine import inner, number, total
from burnish_optimizer.rewrite.choose import may_write
from burnish_optimizer.rewrite.reductions import axes_of, keeps_dims
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import dtype, initializer, is_op, node_of, shape

LAYER_OPSET, RMS_OPSET = 17, 23
QUOTIENTS = frozenset({"Div", "Mul"})


@dataclass(frozen=True)
class Normalized:
    """x (less its mean) over √(mean square + epsilon) along `axes`.

    mean: μ where x is centred.   root: √(σ² + ε).   inverse: 1/root, where something computes it.
    """

    x: ir.Value
    axes: tuple[int, ...]
    epsilon: float
    root: ir.Value
    mean: ir.Value | None = None
    inverse: ir.Value | None = None


@dataclass
class Written:
    """Nodes and constants of a replacement as they are made."""

    nodes: list[ir.Node] = field(default_factory=list)
    constants: list[ir.Value] = field(default_factory=list)

    def constant(self, name: str, array: np.ndarray[Any, Any]) -> ir.Value:
        """A new constant."""
        self.constants.append(initializer(name, array))
        return self.constants[-1]

    def node(self, op: str, inputs: list[ir.Value | None], outputs: int = 1, **attributes: object) -> ir.Node:
        """A new node of ONNX's own operators."""
        self.nodes.append(node_of(op, inputs, attributes, outputs=outputs))
        return self.nodes[-1]

    def view(self, value: ir.Value, dims: tuple[int, ...]) -> ir.Value:
        """`value` in another shape."""
        return self.node("Reshape", [value, self.constant("shape", np.array(dims, np.int64))]).outputs[0]


class LayerNorm:
    """(x - μ) / √(σ² + ε) over the last axes = LayerNormalization(x, 1), with μ and 1/√(σ² + ε) if needed"""

    name, anchors = "layer-norm", QUOTIENTS

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = normalized(node)
        if found is None or found.mean is None:
            return None
        if not may_write(scope, self.name, found.x, "LayerNormalization", LAYER_OPSET):
            return None
        return _write(node, found, "LayerNormalization", scope)


class RmsNorm:
    """x / √(mean(x²) + ε) over the last axes = RMSNormalization(x, 1)"""

    name, anchors = "rms-norm", QUOTIENTS

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = normalized(node)
        if found is None or found.mean is not None:
            return None
        if not may_write(scope, self.name, found.x, "RMSNormalization", RMS_OPSET):
            return None
        return _write(node, found, "RMSNormalization", scope)


def normalized(node: ir.Node) -> Normalized | None:
    """What this quotient (Div by a root, or Mul by its reciprocal) normalizes."""
    for top, root, inverse in _quotients(node):
        inside = _root(root)
        if inside is None:
            continue
        square, epsilon = inside
        found = _centred(top, square) or _plain(top, square)
        if found is not None:
            x, axes, mean = found
            return Normalized(x, axes, epsilon, root, mean, inverse)
    return None


def used_after(value: ir.Value, node: ir.Node) -> bool:
    """Whether every other use of `value` comes after `node` in its graph."""
    order = {id(other): place for place, other in enumerate(node.graph or ())}
    here = order.get(id(node), 0)
    return all(order.get(id(user), -1) >= here for user, _ in value.uses())


def _quotients(node: ir.Node) -> list[tuple[ir.Value, ir.Value, ir.Value | None]]:
    """(top, root, reciprocal of it if there is one) of top / root."""
    first, second = node.inputs
    if first is None or second is None:
        return []
    if node.op_type == "Div":
        one = is_op(second, "Sqrt")
        others = [u for u, _ in second.uses() if u.op_type == "Reciprocal"] if one is not None else []
        return [(first, second, others[0].outputs[0] if others else None)] if one is not None else []
    found: list[tuple[ir.Value, ir.Value, ir.Value | None]] = []
    for top, inverse in ((first, second), (second, first)):
        below = is_op(inverse, "Reciprocal", "Div")
        root = below.inputs[-1] if below is not None else None
        if below is None or root is None or (below.op_type == "Div" and number(below.inputs[0], root) != 1.0):
            continue
        found.append((top, root, inverse))
    return found


def _root(root: ir.Value) -> tuple[ir.Value, float] | None:
    """Mean square (or variance) and epsilon under a root."""
    node = is_op(root, "Sqrt")
    below = inner(node.inputs[0], "Add", "Sum") if node is not None else None
    inside = total(below.outputs[0]) if below is not None else None
    if inside is None or inside.offset <= 0 or len(inside.terms) != 1:
        return None
    return inside.terms[0], inside.offset


def _centred(top: ir.Value, square: ir.Value) -> tuple[ir.Value, tuple[int, ...], ir.Value] | None:
    """x, axes, mean of top = x - mean(x), where `square` is its variance."""
    node = is_op(top, "Sub")
    if node is None or node.inputs[0] is None or node.inputs[1] is None:
        return None
    x, mean = node.inputs[0], node.inputs[1]
    axes = _mean_axes(mean, x)
    if axes is None:
        return None
    if _is_mean_square(square, top, axes) or _is_second_moment(square, x, mean, axes):
        return x, axes, mean
    twin = _twin_of_difference(square, axes)
    return (x, axes, mean) if twin is not None and list(twin.inputs) == [x, mean] else None


def _plain(x: ir.Value, square: ir.Value) -> tuple[ir.Value, tuple[int, ...], None] | None:
    reduced = is_op(square, "ReduceMean")
    axes = axes_of(reduced) if reduced is not None and keeps_dims(reduced) else None
    return (x, axes, None) if axes is not None and _is_mean_square(square, x, axes) else None


def _mean_axes(mean: ir.Value, x: ir.Value) -> tuple[int, ...] | None:
    node = is_op(mean, "ReduceMean")
    return axes_of(node) if node is not None and node.inputs[0] is x and keeps_dims(node) else None


def _is_mean_square(value: ir.Value, of: ir.Value, axes: tuple[int, ...]) -> bool:
    """mean(of²) along the axes."""
    node = inner(value, "ReduceMean")
    if node is None or axes_of(node) != axes or not keeps_dims(node):
        return False
    return _is_square(inner(node.inputs[0], "Pow", "Mul"), of)


def _is_second_moment(value: ir.Value, x: ir.Value, mean: ir.Value, axes: tuple[int, ...]) -> bool:
    """mean(x²) - mean(x)²."""
    node = inner(value, "Sub")
    if node is None or node.inputs[0] is None:
        return False
    return _is_mean_square(node.inputs[0], x, axes) and _is_square(inner(node.inputs[1], "Pow", "Mul"), mean)


def _twin_of_difference(value: ir.Value, axes: tuple[int, ...]) -> ir.Node | None:
    """The other Sub that some exporters square: the same difference, computed twice."""
    node = inner(value, "ReduceMean")
    power = inner(node.inputs[0], "Pow", "Mul") if node is not None else None
    twin = is_op(power.inputs[0], "Sub") if power is not None else None
    return twin if twin is not None and _is_mean_square(value, twin.outputs[0], axes) else None


def _is_square(node: ir.Node | None, of: ir.Value) -> bool:
    if node is None or node.inputs[0] is not of:
        return False
    return node.inputs[1] is of if node.op_type == "Mul" else number(node.inputs[1], of) == 2


def _write(node: ir.Node, found: Normalized, op: str, scope: Scope) -> Replacement | None:
    """The operator on x, or on what x is a matrix view of."""
    x, sizes = _whole(found) or (found.x, _tail(found))
    kept = _kept(node, found)
    if sizes is None or kept is None or (any(kept) and dtype(x) != ir.DataType.FLOAT):
        scope.decline(op, "not the last axes, of unknown size, or its statistics are used before it")
        return None
    made = Written()
    ones = made.constant("ones", np.ones(sizes, (dtype(x) or ir.DataType.FLOAT).numpy()))
    outputs = max((place for place, value in enumerate(kept, start=2) if value is not None), default=1)
    norm = made.node(op, [x, ones], outputs, axis=-len(sizes), epsilon=found.epsilon)
    old = [node.outputs[0], *kept[: outputs - 1]]
    pairs = [(before, after) for before, after in zip(old, norm.outputs, strict=True) if before is not None]
    new = [value if x is found.x else made.view(value, _dims(before)) for before, value in pairs]
    return Replacement([before for before, _ in pairs], new, made.nodes, made.constants)


def _kept(node: ir.Node, found: Normalized) -> list[ir.Value | None] | None:
    """The mean and the reciprocal root where others need them; None where that cannot be."""
    mean, inverse = found.mean, found.inverse
    here = {id(node)} | ({id(inverse.producer())} if inverse is not None else set())
    if any(id(user) not in here for user, _ in found.root.uses()) or found.root.is_graph_output():
        return None
    if (
        inverse is not None
        and all(user is node for user, _ in inverse.uses())
        and not inverse.is_graph_output()
    ):
        inverse = None
    if mean is not None and not mean.is_graph_output() and all(_in_parts(user) for user, _ in mean.uses()):
        mean = None
    values = [mean, inverse]
    if found.mean is None and inverse is not None:
        return None
    outside = [u for v in values if v is not None for u, _ in v.uses() if not _in_parts(u)]
    order = {id(other): place for place, other in enumerate(node.graph or ())} if outside else {}
    early = any(order.get(id(user), -1) < order[id(node)] for user in outside)
    return None if early else values


def _in_parts(user: ir.Node) -> bool:
    """Whether a user of a mean is one of the parts: x - mean, or mean²."""
    return user.op_type in ("Sub", "Mul", "Pow")


def _tail(found: Normalized) -> tuple[int, ...] | None:
    """Sizes of the normalized axes, where they are the last ones and known."""
    dims = shape(found.x)
    if dims is None or found.axes != tuple(range(len(dims) - len(found.axes), len(dims))):
        return None
    sizes = tuple(size for size in dims[found.axes[0] :] if size is not None)
    return sizes if len(sizes) == len(found.axes) else None


def _whole(found: Normalized) -> tuple[ir.Value, tuple[int, ...]] | None:
    """What a matrix view shows, and those of its last axes that are the view's columns."""
    view, dims = is_op(found.x, "Reshape"), shape(found.x)
    x = view.inputs[0] if view is not None else None
    wide = shape(x)
    if x is None or wide is None or dims is None or None in wide or None in dims:
        return None
    if len(dims) != 2 or found.axes != (1,):
        return None
    sizes = tuple(size or 0 for size in wide)
    for first in range(len(sizes) - 1, -1, -1):
        if (prod(sizes[:first]), prod(sizes[first:])) == dims:
            return x, sizes[first:]
    return None


def _dims(value: ir.Value) -> tuple[int, ...]:
    return tuple(size or 0 for size in shape(value) or ())
