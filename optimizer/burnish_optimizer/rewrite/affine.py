"""Algebra on values: products and sums as flat lists, whatever order an exporter wrote them in.

Intermediate values that others use end a flat list: they would have to be computed anyway.
"""

import math
from dataclasses import dataclass

import onnx_ir as ir

from burnish_optimizer.rewrite.values import dtype, is_op, rank, scalar, tensor, used_once

# Exporters round constants such as √2 to float32 (relative error 6e-8) or write seven digits.
RELATIVE_TOLERANCE = 5e-7
# Half precision holds eleven bits, bfloat16 eight: constants of such models are off by as much.
UNIT_ROUNDOFF = {ir.DataType.FLOAT16: 2.0**-11, ir.DataType.BFLOAT16: 2.0**-8}
DEPTH = 8


@dataclass(frozen=True)
class Product:
    """scale · factor · factor …"""

    scale: float
    factors: tuple[ir.Value, ...]


@dataclass(frozen=True)
class Sum:
    """offset + term + term …"""

    offset: float
    terms: tuple[ir.Value, ...]


@dataclass(frozen=True)
class Affine:
    """scale · value + offset"""

    value: ir.Value
    scale: float = 1.0
    offset: float = 0.0


def near(found: float, wanted: float, like: ir.Value | None = None) -> bool:
    """Equal but for the rounding of a constant to the element type of `like`."""
    unit = UNIT_ROUNDOFF.get(dtype(like) or ir.DataType.FLOAT, 0.0)
    return math.isclose(found, wanted, rel_tol=max(RELATIVE_TOLERANCE, 2 * unit))


def number(value: ir.Value | None, beside: ir.Value | None) -> float | None:
    """A constant with one element whose shape leaves the shape of `beside` as it is."""
    held, dims = tensor(value), rank(beside)
    if held is None or held.size != 1 or not (held.shape.rank() == 0 or held.shape.rank() <= (dims or 0)):
        return None
    found = scalar(value)
    return float(found) if found is not None else None


def inner(value: ir.Value | None, *ops: str) -> ir.Node | None:
    """The node behind a value that nothing else uses, where it is one of these op types."""
    node = is_op(value, *ops)  # first: a constant may have very many uses
    return node if node is not None and value is not None and used_once(value) else None


def with_number(node: ir.Node) -> tuple[ir.Value, float] | None:
    """The operands of a commutative node of two inputs, one of which is a number."""
    if len(node.inputs) != 2:
        return None
    first, second = node.inputs
    for value, other in ((first, second), (second, first)):
        found = number(other, value)
        if value is not None and found is not None:
            return value, found
    return None


def divided(node: ir.Node) -> tuple[ir.Value, float] | None:
    """x and c of `x / c`, for a number c that is not 0."""
    value = node.inputs[0]
    by = number(node.inputs[1], value)
    return (value, by) if value is not None and by else None


def subtracted(node: ir.Node) -> tuple[ir.Value, float] | None:
    """x and c of `x - c`."""
    value = node.inputs[0]
    less = number(node.inputs[1], value)
    return (value, less) if value is not None and less is not None else None


def product(value: ir.Value, depth: int = DEPTH) -> Product:
    """`value` as a number times its factors."""
    node = value.producer()
    if node is None or not depth or node.outputs[0] is not value:
        return Product(1.0, (value,))
    if is_op(value, "Mul") and (found := with_number(node)):
        return _scaled(found[0], found[1], depth)
    if is_op(value, "Div") and (found := divided(node)):
        return _scaled(found[0], 1.0 / found[1], depth)
    if is_op(value, "Neg") and node.inputs[0] is not None:
        return _scaled(node.inputs[0], -1.0, depth)
    left, right = (*node.inputs, None, None)[:2]
    if is_op(value, "Mul") and left is not None and right is not None:
        one, two = _factors(left, depth), _factors(right, depth)
        return Product(one.scale * two.scale, one.factors + two.factors)
    return Product(1.0, (value,))


def _factors(value: ir.Value, depth: int) -> Product:
    return product(value, depth - 1) if _made_for_one(value) else Product(1.0, (value,))


def _scaled(value: ir.Value, scale: float, depth: int) -> Product:
    found = _factors(value, depth)
    return Product(scale * found.scale, found.factors)


def total(value: ir.Value, depth: int = DEPTH) -> Sum:
    """`value` as a number plus its terms."""
    node = is_op(value, "Add", "Sum", "Sub") if depth else None
    if node is None:
        return Sum(0.0, (value,))
    if node.op_type == "Sub":
        less = subtracted(node)
        return _plus(_terms(less[0], depth), -less[1]) if less else Sum(0.0, (value,))
    offset, terms, others = 0.0, list[ir.Value](), [v for v in node.inputs if v is not None]
    widest = max(others, key=lambda v: rank(v) or 0)
    for term in others:
        held = number(term, widest) if term is not widest else None
        part = Sum(held, ()) if held is not None else _terms(term, depth)
        offset, terms = offset + part.offset, terms + list(part.terms)
    return Sum(offset, tuple(terms))


def _terms(value: ir.Value, depth: int) -> Sum:
    return total(value, depth - 1) if _made_for_one(value) else Sum(0.0, (value,))


def _made_for_one(value: ir.Value) -> bool:
    """Whether a node makes it, for one use (constants are not asked: they may have very many)."""
    return value.producer() is not None and used_once(value)


def _plus(found: Sum, offset: float) -> Sum:
    return Sum(found.offset + offset, found.terms)


def affine(value: ir.Value, depth: int = DEPTH) -> Affine:
    """`value` as scale · x + offset, through nodes that only it needs (those behind `value` itself too)."""
    node = value.producer() if depth and _made_for_one(value) else None
    if node is None:
        return Affine(value)
    found: tuple[ir.Value, float] | None = None
    scale, offset = 1.0, 0.0
    if is_op(value, "Mul") and (found := with_number(node)):
        scale = found[1]
    elif is_op(value, "Div") and (found := divided(node)):
        scale = 1.0 / found[1]
    elif is_op(value, "Add", "Sum") and (found := with_number(node)):
        offset = found[1]
    elif is_op(value, "Sub") and (found := subtracted(node)):
        offset = -found[1]
    if found is None:
        return Affine(value)
    below = affine(found[0], depth - 1)
    return Affine(below.value, scale * below.scale, scale * below.offset + offset)


def power(value: ir.Value | None, of: ir.Value, exponent: int) -> bool:
    """Whether `value` is of**exponent, by Pow or by Mul."""
    node = is_op(value, "Pow", "Mul")
    if node is None or value is None:
        return False
    if node.op_type == "Pow":
        return node.inputs[0] is of and number(node.inputs[1], of) == exponent
    found = product(value)
    flat: list[ir.Value] = []
    for factor in found.factors:
        square = inner(factor, "Pow")
        same = square is not None and square.inputs[0] is of and number(square.inputs[1], of) == 2
        flat += [of, of] if same else [factor]
    return found.scale == 1.0 and len(flat) == exponent and all(f is of for f in flat)
