"""Shape arithmetic: what it gives is often known, though the dimensions are not."""

from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.cleanup_noops import takes_scalars
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.shapes import Dim, dims
from burnish_optimizer.rewrite.shapes_content import READERS, Content, content
from burnish_optimizer.rewrite.values import attribute, constant, dtype, initializer, is_op, node_of

KIND = {ir.DataType.INT64: np.int64, ir.DataType.INT32: np.int32, ir.DataType.BOOL: np.bool_}
# Their output has the shape of their first input, whatever the values.
SAME_SHAPE = frozenset[str]().union(
    ("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast"),
    ("Ceil", "Celu", "Clip", "Cos", "Cosh", "CumSum", "DequantizeLinear", "Elu", "Erf"),
    (
        "Exp",
        "Floor",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "Hardmax",
        "Identity",
        "InstanceNormalization",
        "IsInf",
    ),
    ("IsNaN", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "Mish", "Neg", "Not", "PRelu"),
    ("QuantizeLinear", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin"),
    ("Sinh", "Softmax", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu"),
    ("Trilu"),
)


class KnownContent:
    """Shape arithmetic whose every element is a number = a constant"""

    name, anchors = "known-content", frozenset(READERS)

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        value = node.outputs[0]
        held = dtype(value)
        kind = KIND.get(held) if held is not None else None
        if kind is None or value.is_graph_output():
            return None
        found = content(value)
        if found is None or not all(isinstance(e, int) for e in found.elements):
            return None
        if takes_scalars(value, found.rank):
            scope.decline(self.name, "Range takes scalars: a constant of rank 1 would be refused")
            return None
        array: np.ndarray[Any, Any] = np.array(found.elements, kind).reshape(-1 if found.rank else ())
        made = initializer("known", array)
        return Replacement([value], [made], initializers=[made])


class ReshapeToKnown:
    """`Reshape(x, shape arithmetic)` = `Reshape(x, constant)`: numbers, 0 for x's own dimension, one -1"""

    name, anchors = "reshape-to-known", frozenset({"Reshape"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        wanted = content(node.inputs[1])
        if wanted is None or attribute(node, "allowzero", 0) or constant(node.inputs[1]) is not None:
            return None
        shape = _constant_shape(wanted, dims(node.inputs[0]))
        if shape is None:
            scope.decline(self.name, "more than one dimension is not known, or a -1 would stand beside a 0")
            return None
        made = initializer("shape", np.array(shape, np.int64))
        reshape = node_of("Reshape", [node.inputs[0], made])
        return Replacement([node.outputs[0]], [reshape.outputs[0]], [reshape], [made])


def _constant_shape(wanted: Content, own: tuple[Dim, ...] | None) -> list[int] | None:
    """-1 means "the rest", which is not defined where another dimension may be 0: it stands beside numbers
    above 0 only, or where the model itself wrote it."""
    shape = [_entry(e, (own or ())[i : i + 1]) for i, e in enumerate(wanted.elements)]
    rest = [i for i, entry in enumerate(shape) if entry == -1]
    if len(rest) > 1:
        return None
    written = [i for i, e in enumerate(wanted.elements) if e == -1]
    if rest and rest != written and any(entry < 1 for i, entry in enumerate(shape) if i not in rest):
        return None
    return shape


def _entry(element: Dim, own: tuple[Dim, ...]) -> int:
    if isinstance(element, int):
        return element
    return 0 if element is not None and own == (element,) else -1


class ShapeOfSameShape:
    """`Shape(f(x))` = `Shape(x)` where f works element by element"""

    name, anchors = "shape-of-same-shape", frozenset({"Shape", "Size"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inner = is_op(node.inputs[0], *SAME_SHAPE)
        if inner is None or inner.inputs[0] is None:
            return None
        made = node_of(node.op_type, [inner.inputs[0]], {k: v.value for k, v in node.attributes.items()})
        return Replacement([node.outputs[0]], [made.outputs[0]], [made])


SHAPES = (KnownContent(), ReshapeToKnown(), ShapeOfSameShape())
