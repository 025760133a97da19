"""Reading the scores of attention: scale · Q Kᵀ + masks.

Scaled before or after the product, by Mul or Div, by √s on both sides, by 1/√H that is computed from a shape;
any number of added masks.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.attention_dims import Dimensions
from burnish_optimizer.rewrite.choose import opset
from burnish_optimizer.rewrite.values import attribute, constant, is_op

RANK = 4


@dataclass(frozen=True)
class Scores:
    """scale · Q Kᵀ + masks: `product` is the MatMul; `between`: all values from there to the Softmax."""

    product: ir.Node
    scale: float
    masks: tuple[ir.Value, ...]
    between: tuple[ir.Value, ...]


def over_last_axis(softmax: ir.Node, scope: Scope) -> bool:
    default = -1 if opset(scope) >= 13 else 1
    return attribute(softmax, "axis", default) in (-1, RANK - 1)


def read_scores(value: ir.Value | None, rule: str, scope: Scope) -> Scores | None:
    """The scores that a Softmax takes; None where they are not that."""
    masks: list[ir.Value] = []
    between: list[ir.Value] = []
    while value is not None:
        between.append(value)
        added = _added(value)
        if added is None:
            break
        value, mask = added
        masks.append(mask)
    inner, scale, passed = unscale(value)
    product = is_op(inner, "MatMul")
    if product is None or inner is None:
        _told(inner, rule, scope)
        return None
    return Scores(product, scale, tuple(masks), (*between, *passed, inner))


def _told(value: ir.Value | None, rule: str, scope: Scope) -> None:
    """Where hides a NaN or an infinity of a masked score; a mask that is added does not."""
    where = is_op(value, "Where")
    if where is not None and any(v is not None and _is_scores(v) for v in where.inputs[1:]):
        scope.decline(rule, "masked by Where, which hides NaN and infinities of masked keys: adding does not")


def _added(value: ir.Value) -> tuple[ir.Value, ir.Value] | None:
    """One mask taken off the scores: (what it is added to, the mask)."""
    node = is_op(value, "Add")
    left, right = node.inputs[:2] if node is not None else (None, None)
    for scores, mask in ((left, right), (right, left)):
        if scores is not None and mask is not None and _is_scores(scores):
            return scores, mask
    return None


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
