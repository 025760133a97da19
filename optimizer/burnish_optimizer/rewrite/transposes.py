"""Transposes, and the operators that do not care in which order the axes are.

An operator is agnostic where f(Transpose(x)) = Transpose(f'(x)), and f' is f with its axes renumbered. Those
of `MOVES` only move, compare or round correctly: f' gives the very same bytes. Kernels of `ROUNDS` may give
results that depend on where an element lies (vector and remainder loops, the order of a sum).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.choose import opset
from burnish_optimizer.rewrite.layout import moves_nothing
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, constant, initializer, node_of, rank, shape
from burnish_optimizer.targets.kernels import MICROSOFT

Perm = tuple[int, ...]


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


MOVES = _words(
    "Relu Clip Neg Abs Not Floor Ceil Sign Cast Identity Add Sub Mul Div Min Max Sum Where Equal Greater",
    "Less GreaterOrEqual LessOrEqual And Or Xor PRelu LeakyRelu Concat Split Pad Slice",
)
ROUNDS = MOVES | _words(
    "Sigmoid Tanh Exp Log Sqrt Reciprocal Erf Pow Elu Selu Celu HardSigmoid HardSwish Softplus Softsign Mish",
    "Gelu Swish ThresholdedRelu Softmax LogSoftmax ReduceMean ReduceSum ReduceL1 ReduceL2 ReduceSumSquare",
    "ReduceMax ReduceMin",
    f"{MICROSOFT}::Gelu {MICROSOFT}::FastGelu {MICROSOFT}::QuickGelu",
)
BY_AXIS = frozenset({"Concat", "Split", "Softmax", "LogSoftmax"})
SOFTMAX_BY_AXIS = 13  # before, Softmax flattened its input at the axis
# Inputs behind these places are numbers or lists, not tensors with axes.
DATA_INPUTS = {
    "Clip": 1,
    "Split": 1,
    "Pad": 1,
    "Slice": 1,
    **{f"Reduce{n}": 1 for n in ("Max", "Min", "Mean")},
}
DATA_INPUTS |= {f"Reduce{n}": 1 for n in ("Sum", "L1", "L2", "SumSquare")}
AXES_LIMIT = 64


@dataclass(frozen=True)
class Turned:
    """An operator with its axes renumbered: attributes, and inputs that are new constants (by place)."""

    attributes: dict[str, Any]
    constants: dict[int, np.ndarray[Any, Any]]


class TransposeReshape:
    """Transpose(x) = Reshape(x) where only axes of size 1 change places"""

    name, anchors = "transpose-to-reshape", frozenset({"Transpose"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        x, perm = node.inputs[0], perm_of(node)
        dims = shape(x)
        if x is None or perm is None or dims is None or None in dims or not moves_nothing(dims, perm):
            return None
        if 0 in dims:
            return None  # in a Reshape, 0 says "as it was"
        sizes = initializer("shape", np.array([dims[axis] for axis in perm], np.int64))
        made = node_of("Reshape", [x, sizes])
        return Replacement([node.outputs[0]], [made.outputs[0]], [made], [sizes])


def perm_of(node: ir.Node) -> Perm | None:
    """The order of a Transpose's axes; None where the rank is not known."""
    given = attribute(node, "perm")
    dims = rank(node.inputs[0])
    if given is not None:
        return tuple(given)
    return None if dims is None else tuple(range(dims))[::-1]


def inverse(perm: Perm) -> Perm:
    """The order that undoes `perm`."""
    return tuple(perm.index(axis) for axis in range(len(perm)))


def then(first: Perm, second: Perm) -> Perm:
    """One order for Transpose(Transpose(x, first), second)."""
    return tuple(first[axis] for axis in second)


def turned(node: ir.Node, perm: Perm, scope: Scope) -> Turned | None:
    """`node`, whose data was Transpose(x, perm), as it works on x; None where it cannot."""
    attributes = {key: attribute(node, key) for key in node.attributes}
    dims = len(perm)
    if node.op_type in BY_AXIS:
        return _by_axis(node, attributes, perm, scope)
    if node.op_type == "Pad":
        return _pad(node, attributes, perm)
    if node.op_type == "Slice":
        return _slice(node, perm)
    if node.op_type.startswith("Reduce"):
        return _reduce(node, attributes, perm)
    return Turned(attributes, {}) if all(rank(v) == dims for v in node.outputs) else None


def turn_constant(array: np.ndarray[Any, Any], perm: Perm) -> np.ndarray[Any, Any]:
    """A constant that broadcast to Transpose(x, perm), as it broadcasts to x."""
    wide = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
    return np.ascontiguousarray(np.transpose(wide, inverse(perm)))


def _by_axis(node: ir.Node, attributes: dict[str, Any], perm: Perm, scope: Scope) -> Turned | None:
    soft = node.op_type in ("Softmax", "LogSoftmax")
    if soft and opset(scope) < SOFTMAX_BY_AXIS:
        return None
    axis = int(attribute(node, "axis", -1 if soft else 0))
    return Turned({**attributes, "axis": perm[axis % len(perm)]}, {})


def _pad(node: ir.Node, attributes: dict[str, Any], perm: Perm) -> Turned | None:
    held = constant(node.inputs[1], AXES_LIMIT) if len(node.inputs) > 1 else None
    if held is None or held.size != 2 * len(perm) or (len(node.inputs) > 3 and node.inputs[3] is not None):
        return None
    both = held.reshape(2, len(perm))[:, list(inverse(perm))]
    return Turned(attributes, {1: np.ascontiguousarray(both.reshape(-1))})


def _slice(node: ir.Node, perm: Perm) -> Turned | None:
    starts = constant(node.inputs[1], AXES_LIMIT) if len(node.inputs) > 1 else None
    if starts is None:
        return None
    given = node.inputs[3] if len(node.inputs) > 3 else None
    axes = constant(given, AXES_LIMIT) if given is not None else np.arange(starts.size)
    return None if axes is None else Turned({}, {3: _renumbered(axes, perm)})


def _reduce(node: ir.Node, attributes: dict[str, Any], perm: Perm) -> Turned | None:
    if not attribute(node, "keepdims", 1) or attribute(node, "noop_with_empty_axes", 0):
        return None
    if "axes" in attributes:
        return Turned({**attributes, "axes": _renumbered(np.array(attributes["axes"]), perm).tolist()}, {})
    given = node.inputs[1] if len(node.inputs) > 1 else None
    if given is None:
        return Turned(attributes, {})
    axes = constant(given, AXES_LIMIT)
    return None if axes is None else Turned(attributes, {1: _renumbered(axes, perm)})


def _renumbered(axes: np.ndarray[Any, Any], perm: Perm) -> np.ndarray[Any, Any]:
    return np.array([perm[int(axis) % len(perm)] for axis in axes.reshape(-1)], np.int64)
