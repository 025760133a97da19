"""Reading the scores of attention: scale · Q Kᵀ + masks.

Scaled before or after the product, by Mul or Div, by √s on both sides, by 1/√H that is computed from a shape;
any number of added masks; masks by Where with −∞ or the lowest float.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.attention_dims import Dimensions
from burnish_optimizer.rewrite.attention_parts import opset_of
from burnish_optimizer.rewrite.values import attribute, constant, is_op

RANK = 4
LOWEST = -1e38


@dataclass(frozen=True)
class Mask:
    """Added to the scores; or, where `keep` is given, `fill` instead of them where keep is not `wanted`."""

    added: ir.Value | None = None
    keep: ir.Value | None = None
    wanted: bool = True
    fill: ir.Value | None = None


def over_last_axis(softmax: ir.Node, scope: Scope) -> bool:
    default = -1 if opset_of(scope) >= 13 else 1
    return attribute(softmax, "axis", default) in (-1, RANK - 1)


def read_scores(
    value: ir.Value | None,
) -> tuple[ir.Node, float, tuple[Mask, ...], tuple[ir.Value, ...]] | None:
    """(the MatMul of Q and Kᵀ, scale, masks, values in between) that make the scores."""
    masks: list[Mask] = []
    between: list[ir.Value] = []
    while value is not None:
        between.append(value)
        mask = _mask(value)
        if mask is None:
            break
        value, found = mask
        masks.append(found)
    inner, scale, passed = unscale(value)
    product = is_op(inner, "MatMul")
    if product is None or inner is None:
        return None
    return product, scale, tuple(masks), (*between, *passed, inner)


def _mask(value: ir.Value) -> tuple[ir.Value, Mask] | None:
    """One mask taken off the scores: (what it is put on, the mask)."""
    node = is_op(value, "Add", "Where")
    if node is None:
        return None
    if node.op_type == "Where":
        return _where_mask(node)
    left, right = node.inputs[:2]
    for scores, added in ((left, right), (right, left)):
        if scores is not None and added is not None and _is_scores(scores):
            return scores, Mask(added=added)
    return None


def _where_mask(node: ir.Node) -> tuple[ir.Value, Mask] | None:
    keep, when_true, when_false = node.inputs[:3]
    for scores, fill, wanted in ((when_true, when_false, True), (when_false, when_true, False)):
        if scores is not None and _is_scores(scores) and hides(fill):
            return scores, Mask(keep=keep, wanted=wanted, fill=fill)
    return None


def hides(value: ir.Value | None) -> bool:
    """A constant fill that takes in any score added to it: −∞, or so near the lowest float32 that s + fill
    = fill in FP32 and FP64. (−10,000 is not: a row of such fills is uniform, a row of s − 10,000 is not.)"""
    found = _factor(value)
    return found is not None and found <= LOWEST


def _is_scores(value: ir.Value, depth: int = 4) -> bool:
    """Whether a value leads to a product of two values that are not constant, through scales and masks."""
    inner, _, _ = unscale(value)
    product = is_op(inner, "MatMul")
    if product is not None:
        return not any(_is_weight(v) for v in product.inputs)
    node = is_op(inner, "Add", "Where") if depth else None
    return node is not None and any(v is not None and _is_scores(v, depth - 1) for v in node.inputs)


def _is_weight(value: ir.Value | None) -> bool:
    return value is not None and (value.const_value is not None or is_op(value, "Constant") is not None)


def unscale(value: ir.Value | None) -> tuple[ir.Value | None, float, tuple[ir.Value, ...]]:
    """(inner, factor, values passed): value = inner · factor, through Mul and Div by constant scalars."""
    factor, passed = 1.0, []
    while (node := is_op(value, "Mul", "Div")) is not None:
        left, right = node.inputs[:2]
        number, inner = _factor(right), left
        if number is None and node.op_type == "Mul":
            number, inner = _factor(left), right
        if number is None or (node.op_type == "Div" and number == 0):
            break
        factor = factor * number if node.op_type == "Mul" else factor / number
        if value is not None:
            passed.append(value)
        value = inner
    return value, factor, tuple(passed)


def _factor(value: ir.Value | None) -> float | None:
    """A number that is known: a constant of one element, or arithmetic on dimensions (1/√H)."""
    found = constant(value, 1)
    if found is None:
        return Dimensions().number(value)
    return float(found.item()) if found.size == 1 and found.ndim <= RANK and found.dtype != np.bool_ else None
