"""Reductions written out in parts: Softmax, LogSoftmax, norms, log-sum-exp, global pooling."""

import math
from typing import ClassVar

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.affine import inner, number
from burnish_optimizer.rewrite.choose import may_write, objection, opset, standard
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, constant, dtype, is_op, node_of, rank, shape

FIRST_WITH_AXES_INPUT = 18  # ReduceSum already from 13 on
# ONNX Runtime adds squares one after another, and sums in several parts: five times nearer to FP64 for 256.
MANY_SQUARES = 64


def axes_of(node: ir.Node) -> tuple[int, ...] | None:
    """Axes of a reduction (an attribute, or from opset 13 or 18 an input), from 0; None: not known."""
    dims = rank(node.inputs[0])
    given = attribute(node, "axes")
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        held = constant(node.inputs[1], 64)
        given = tuple(int(axis) for axis in held.reshape(-1)) if held is not None else None
        if held is None:
            return None
    if dims is None or (not given and attribute(node, "noop_with_empty_axes", 0)):
        return None
    return tuple(sorted(int(axis) % dims for axis in given)) if given else tuple(range(dims))


def keeps_dims(node: ir.Node) -> bool:
    """Whether reduced axes stay, with size 1."""
    return bool(attribute(node, "keepdims", 1))


class Softmax:
    """exp(x - max(x)) / Σ exp(x - max(x)) along one axis = Softmax(x), and exp(x) / Σ exp(x) too"""

    name, anchors = "softmax", frozenset({"Div"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        top, below = node.inputs
        exp, reduced = is_op(top, "Exp"), inner(below, "ReduceSum")
        if (
            exp is None
            or top is None
            or reduced is None
            or reduced.inputs[0] is not top
            or len(top.uses()) != 2
        ):
            return None
        axis, x = _one_axis(reduced), exp.inputs[0]
        if axis is None or x is None or top.is_graph_output():
            return None
        if not may_write(scope, self.name, x, "Softmax", 13):
            return None
        return standard(node.outputs[0], node_of("Softmax", [_unshifted(x, axis)], {"axis": axis}))


class LogSoftmax:
    """(x - max(x)) - log Σ exp(x - max(x)) along one axis = LogSoftmax(x); log(Softmax(x)) too"""

    name, anchors = "log-softmax", frozenset({"Sub", "Log"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        found = self._of_softmax(node) if node.op_type == "Log" else self._of_parts(node)
        if found is None or not may_write(scope, self.name, found[0], "LogSoftmax", 13):
            return None
        return standard(node.outputs[0], node_of("LogSoftmax", [found[0]], {"axis": found[1]}))

    def _of_softmax(self, node: ir.Node) -> tuple[ir.Value, int] | None:
        soft = inner(node.inputs[0], "Softmax")
        if soft is None or soft.inputs[0] is None:
            return None
        return soft.inputs[0], attribute(soft, "axis", -1)

    def _of_parts(self, node: ir.Node) -> tuple[ir.Value, int] | None:
        shifted, below = node.inputs
        log = inner(below, "Log")
        reduced = inner(log.inputs[0], "ReduceSum") if log is not None else None
        exp = inner(reduced.inputs[0], "Exp") if reduced is not None else None
        if shifted is None or reduced is None or exp is None or exp.inputs[0] is not shifted:
            return None
        axis = _one_axis(reduced)
        return None if axis is None else (_unshifted(shifted, axis, uses=2), axis)


class ReduceNorm:
    """√Σx² = ReduceL2(x); Σ|x| = ReduceL1(x); log Σ exp(x) = ReduceLogSumExp(x); Σx² = ReduceSumSquare(x)"""

    name, anchors = "reduce-norm", frozenset({"Sqrt", "Log", "ReduceSum"})
    WHOLE: ClassVar = {"Sqrt": ("ReduceL2", "square"), "Log": ("ReduceLogSumExp", "Exp")}

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        if node.op_type == "ReduceSum":
            return self._plain(node, scope)
        name, part = self.WHOLE[node.op_type]
        reduced = inner(node.inputs[0], "ReduceSum", "ReduceSumSquare")
        if reduced is None:
            return None
        if reduced.op_type == "ReduceSumSquare":
            x = reduced.inputs[0] if part == "square" else None
        else:
            x = _squared(reduced.inputs[0]) if part == "square" else _under(reduced.inputs[0], part)
        if x is None and node.op_type == "Log" and reduced.op_type == "ReduceSum":
            name, x = "ReduceLogSum", reduced.inputs[0]
        return self._write(node, reduced, name, x, scope)

    def _plain(self, node: ir.Node, scope: Scope) -> Replacement | None:
        if any(user.op_type in self.WHOLE for user, _ in node.outputs[0].uses()):
            return None  # the whole of it is one operator
        x = _squared(node.inputs[0])
        if x is not None and (_reduced(node) or 0) > MANY_SQUARES:
            scope.decline(
                self.name, f"more than {MANY_SQUARES} squares: ReduceSumSquare rounds worse than ReduceSum"
            )
            return None
        if x is not None:
            return self._write(node, node, "ReduceSumSquare", x, scope)
        return self._write(node, node, "ReduceL1", _under(node.inputs[0], "Abs"), scope)

    def _write(
        self, node: ir.Node, reduced: ir.Node, name: str, x: ir.Value | None, scope: Scope
    ) -> Replacement | None:
        if x is None or not may_write(scope, self.name, x, name):
            return None
        if (
            reduced.op_type == "ReduceSum"
            and opset(scope) < FIRST_WITH_AXES_INPUT
            and len(reduced.inputs) > 1
        ):
            return self._with_attribute(node, reduced, name, x)
        attributes = {key: attribute(reduced, key) for key in reduced.attributes}
        return standard(node.outputs[0], node_of(name, [x, *reduced.inputs[1:]], attributes))

    def _with_attribute(self, node: ir.Node, reduced: ir.Node, name: str, x: ir.Value) -> Replacement | None:
        """Opsets 13 to 17 have axes as an input of ReduceSum alone."""
        axes = axes_of(reduced)
        if axes is None:
            return None
        attributes = {"axes": list(axes), "keepdims": int(keeps_dims(reduced))}
        return standard(node.outputs[0], node_of(name, [x], attributes))


class GlobalPool:
    """mean(x) over all axes but the first two, kept with size 1 = GlobalAveragePool(x)"""

    name, anchors = "global-average-pool", frozenset({"ReduceMean"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        x, dims = node.inputs[0], rank(node.inputs[0])
        if x is None or dims not in (4, 5) or not keeps_dims(node) or axes_of(node) != tuple(range(2, dims)):
            return None
        if not is_op(x, "Conv", "Relu", "HardSwish", "Mul", "com.microsoft::FusedConv", "Clip"):
            return None  # only beside convolutions do runtimes block channels, and pool in that layout
        if dtype(x) != ir.DataType.FLOAT or objection(scope, x, "GlobalAveragePool"):
            return None
        return standard(node.outputs[0], node_of("GlobalAveragePool", [x]))


def _reduced(node: ir.Node) -> int | None:
    """How many numbers make one of the reduction's; None: not known."""
    axes, dims = axes_of(node), shape(node.inputs[0])
    if axes is None or dims is None:
        return None
    known = [size for axis in axes if (size := dims[axis]) is not None]
    return math.prod(known) if len(known) == len(axes) else None


def _one_axis(node: ir.Node) -> int | None:
    axes = axes_of(node) if keeps_dims(node) else None
    return axes[0] if axes is not None and len(axes) == 1 else None


def _unshifted(value: ir.Value, axis: int, uses: int = 1) -> ir.Value:
    """x of x - max(x) along the axis; the value itself where it is anything else (softmax is the same)."""
    node = is_op(value, "Sub")
    if node is None or len(value.uses()) != uses or value.is_graph_output():
        return value
    x, most = node.inputs
    reduced = inner(most, "ReduceMax")
    same = reduced is not None and reduced.inputs[0] is x and _one_axis(reduced) == axis
    return x if same and x is not None else value


def _squared(value: ir.Value | None) -> ir.Value | None:
    """x of x · x or x², where nothing else needs it."""
    node = inner(value, "Mul", "Pow")
    if node is None or node.inputs[0] is None:
        return None
    x = node.inputs[0]
    same = node.inputs[1] is x if node.op_type == "Mul" else number(node.inputs[1], x) == 2
    return x if same else None


def _under(value: ir.Value | None, op: str) -> ir.Value | None:
    node = inner(value, op)
    return node.inputs[0] if node is not None else None
