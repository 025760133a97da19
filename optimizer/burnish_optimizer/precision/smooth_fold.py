"""Dividing a value by a scale for each channel, in the constants of what makes it. Pure.

y / s for y =   LayerNorm(x) · g + b     ->  g / s, b / s
                x · W + b                ->  columns of W / s, b / s
                x · c,  x / c            ->  c / s,  c · s
                x + c,  x - c            ->  c / s, and x / s in its turn
                x · z                    ->  one of them / s
                relu(x), x               ->  x / s in its turn: s > 0
"""

from collections.abc import Callable
from typing import NamedTuple

import onnx
from onnx import helper

from burnish_optimizer.precision.smooth_view import Edit, View
from burnish_runtime.session import Array

STANDARD = ("", "ai.onnx")
MICROSOFT = "com.microsoft"
# Inputs that scale or shift what a normalization gives, each [channels].
NORMALIZATIONS = {
    ("", "LayerNormalization"): (1, 2),
    ("", "RMSNormalization"): (1,),
    ("", "SimplifiedLayerNormalization"): (1,),
    (MICROSOFT, "SkipLayerNormalization"): (2, 3),
    (MICROSOFT, "SkipSimplifiedLayerNormalization"): (2,),
}
HOMOGENEOUS = ("Relu", "LeakyRelu", "Identity")


class Fold(NamedTuple):
    """What to change, and the values that are divided then (the asked one, and those on the way)."""

    edits: tuple[Edit, ...]
    values: tuple[str, ...]


def fold(view: View, name: str, scale: Array) -> Fold | str:
    """How to divide a value by `scale` [channels] along its last axis, or why that cannot be done.

    All readers of `name` see the change; whether that is right is the caller's question.
    """
    node = view.made.get(name)
    if node is None:
        return "an input of the model"
    rule = _rule(node)
    if rule is None or node.output[0] != name:
        return f"made by {node.op_type}, which has no constants to fold into"
    found = rule(view, node, scale)
    return found if isinstance(found, str) else Fold(found.edits, (name, *found.values))


_Rule = Callable[[View, onnx.NodeProto, Array], Fold | str]


def _rule(node: onnx.NodeProto) -> _Rule | None:
    domain = "" if node.domain in STANDARD else node.domain
    if (domain, node.op_type) in NORMALIZATIONS:
        return _normalization
    return RULES.get(node.op_type) if domain == "" else None


def _normalization(view: View, node: onnx.NodeProto, scale: Array) -> Fold | str:
    domain = "" if node.domain in STANDARD else node.domain
    given = [i for i in NORMALIZATIONS[domain, node.op_type] if i < len(node.input) and node.input[i]]
    if any(view.shape(node.input[i]) != scale.shape for i in given):
        return "a normalization whose scale or shift is no constant of these channels"
    return Fold(tuple(Edit(node, i, 1 / scale) for i in given), ())


def _matmul(view: View, node: onnx.NodeProto, scale: Array) -> Fold | str:
    shape = view.shape(node.input[1])
    if shape is None or len(shape) != 2 or shape[1] != scale.size:
        return "a MatMul without a constant matrix of these columns"
    return Fold((Edit(node, 1, 1 / scale),), ())


def _gemm(view: View, node: onnx.NodeProto, scale: Array) -> Fold | str:
    transposed = attribute(node, "transB", 0)
    shape = view.shape(node.input[1])
    if shape is None or shape[0 if transposed else 1] != scale.size:
        return "a Gemm without a constant matrix of these columns"
    edits = [Edit(node, 1, 1 / scale[:, None] if transposed else 1 / scale)]
    if len(node.input) > 2 and node.input[2]:
        if not _spreads(view.shape(node.input[2]), scale):
            return "a Gemm whose bias is no constant"
        edits.append(Edit(node, 2, 1 / scale))
    return Fold(tuple(edits), ())


def _add(view: View, node: onnx.NodeProto, scale: Array) -> Fold | str:
    """Also Sub: both sides are divided."""
    for index in (0, 1):
        if _spreads(view.shape(node.input[index]), scale):
            found = _inner(view, node.input[1 - index], scale)
            edit = Edit(node, index, 1 / scale)
            return found if isinstance(found, str) else Fold((edit, *found.edits), found.values)
    return f"a {node.op_type} of two values"


def _multiply(view: View, node: onnx.NodeProto, scale: Array) -> Fold | str:
    for index in (0, 1):
        if _spreads(view.shape(node.input[index]), scale):
            return Fold((Edit(node, index, 1 / scale),), ())
    found = _inner(view, node.input[0], scale)
    return found if isinstance(found, Fold) else _inner(view, node.input[1], scale)


def _divide(view: View, node: onnx.NodeProto, scale: Array) -> Fold | str:
    if _spreads(view.shape(node.input[1]), scale):
        return Fold((Edit(node, 1, scale),), ())
    return _inner(view, node.input[0], scale)


def _pass_on(view: View, node: onnx.NodeProto, scale: Array) -> Fold | str:
    # A negative slope of LeakyRelu is no matter: s > 0 keeps every sign.
    return _inner(view, node.input[0], scale)


def _inner(view: View, name: str, scale: Array) -> Fold | str:
    if not view.is_private(name):
        return f"{name!r}, on the way, has other readers"
    return fold(view, name, scale)


def _spreads(shape: tuple[int, ...] | None, scale: Array) -> bool:
    """Whether a constant of this shape is one number, or one for each channel, along the last axis."""
    return shape is not None and (shape == () or shape[-1] in (1, scale.size))


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """An integer attribute."""
    found = next((a for a in node.attribute if a.name == name), None)
    return default if found is None else int(helper.get_attribute_value(found))


RULES: dict[str, _Rule] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Add": _add,
    "Sub": _add,
    "Mul": _multiply,
    "Div": _divide,
    **dict.fromkeys(HOMOGENEOUS, _pass_on),
}
