"""What is inside a small integer tensor, element by element, though it is not constant.

`Concat(Gather(Shape(x), 0), [12], [-1])` holds ["N", 12, -1] where x has the shape [N, …]: numbers, symbols
of dimensions, and None for what is not known. This is how shape arithmetic is followed without running it.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.shapes import Dim, dims
from burnish_optimizer.rewrite.values import attribute, constant, dtype, op_key, tensor

MAX_ELEMENTS = 64
MAX_DEPTH = 24
INTEGERS = frozenset({ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL})


@dataclass(frozen=True)
class Content:
    """Elements in row-major order, and the rank of the tensor: 0 or 1."""

    elements: tuple[Dim, ...]
    rank: int = 1


def content(value: ir.Value | None) -> Content | None:
    """Elements of an integer scalar or vector; None where not even their number is known."""
    return _Reader().read(value, MAX_DEPTH)


class _Reader:
    """One question: remembers what it has read, so that shared subexpressions are read once."""

    def __init__(self) -> None:
        self._known: dict[ir.Value, Content | None] = {}

    def read(self, value: ir.Value | None, depth: int) -> Content | None:
        if value is None or depth == 0:
            return None
        if value not in self._known:
            self._known[value] = None
            self._known[value] = self._find(value, depth - 1)
        return self._known[value]

    def _find(self, value: ir.Value, depth: int) -> Content | None:
        if value.dtype is not None and value.dtype not in INTEGERS:
            return None
        found = _constant(value)
        node = value.producer()
        if found is not None or node is None:
            return found if found is not None else _unknown(value)
        reader = READERS.get(op_key(node))
        inputs = [self.read(v, depth) for v in node.inputs] if reader not in (None, _shape, _size) else []
        known = reader(node, inputs) if reader else None
        return known if known is not None else _unknown(value)


Inputs = Sequence[Content | None]


def _constant(value: ir.Value) -> Content | None:
    held = tensor(value)
    if held is None or held.dtype not in INTEGERS or held.size > MAX_ELEMENTS or len(held.shape) > 1:
        return None
    return Content(tuple(int(e) for e in held.numpy().reshape(-1)), len(held.shape))


def _unknown(value: ir.Value) -> Content | None:
    """So many elements, none of them known."""
    shape = dims(value)
    if shape is None or len(shape) > 1 or dtype(value) not in INTEGERS:
        return None
    count = shape[0] if shape else 1
    if not isinstance(count, int) or count > MAX_ELEMENTS:
        return None
    return Content((None,) * count, len(shape))


def _shape(node: ir.Node, _inputs: Inputs) -> Content | None:
    found = dims(node.inputs[0])
    if found is None or len(found) > MAX_ELEMENTS:
        return None
    return Content(found[attribute(node, "start", 0) : attribute(node, "end", None)])


def _size(node: ir.Node, _inputs: Inputs) -> Content | None:
    found = dims(node.inputs[0])
    if found is None or not all(isinstance(d, int) for d in found):
        return None
    return Content((int(np.prod([d for d in found if isinstance(d, int)], dtype=np.int64)),), 0)


def _same(_node: ir.Node, inputs: Inputs) -> Content | None:
    return inputs[0]


def _cast(node: ir.Node, inputs: Inputs) -> Content | None:
    """Between integers; to bool only where every element is a number."""
    source, to = inputs[0], attribute(node, "to", 0)
    if source is None or to not in INTEGERS or dtype(node.inputs[0]) not in INTEGERS:
        return None
    if to == ir.DataType.BOOL:
        return Content(
            tuple(int(e != 0) if isinstance(e, int) else None for e in source.elements), source.rank
        )
    if to == ir.DataType.INT32:
        fits = [not isinstance(e, int) or -(2**31) <= e < 2**31 for e in source.elements]
        return source if all(fits) else None
    return source


def _to_vector(node: ir.Node, inputs: Inputs) -> Content | None:
    """Unsqueeze: a scalar becomes a vector; a vector would become a matrix."""
    source = inputs[0]
    return (
        Content(source.elements, 1) if source is not None and source.rank == 0 and _axes(node) == 1 else None
    )


def _to_scalar(_node: ir.Node, inputs: Inputs) -> Content | None:
    source = inputs[0]
    return Content(source.elements, 0) if source is not None and len(source.elements) == 1 else None


def _axes(node: ir.Node) -> int:
    """How many axes; -1 where that is not known."""
    given = attribute(node, "axes", None)
    if given is None and len(node.inputs) > 1:
        given = constant(node.inputs[1], MAX_ELEMENTS)
    return -1 if given is None else np.size(given)


def _reshape(node: ir.Node, inputs: Inputs) -> Content | None:
    source, shape = inputs[0], inputs[1]
    if source is None or shape is None or len(shape.elements) > 1:
        return None
    return Content(source.elements, len(shape.elements))


def _concat(_node: ir.Node, inputs: Inputs) -> Content | None:
    if any(part is None or part.rank != 1 for part in inputs):
        return None
    return Content(tuple(e for part in inputs if part is not None for e in part.elements))


def _gather(node: ir.Node, inputs: Inputs) -> Content | None:
    source, index = inputs[0], inputs[1]
    if source is None or index is None or source.rank != 1 or attribute(node, "axis", 0) not in (0, -1):
        return None
    count = len(source.elements)
    if not all(isinstance(i, int) and -count <= i < count for i in index.elements):
        return None
    return Content(tuple(source.elements[i] for i in index.elements if isinstance(i, int)), index.rank)


def _slice(node: ir.Node, inputs: Inputs) -> Content | None:
    if len(node.inputs) == 1:
        given = [attribute(node, name, None) for name in ("starts", "ends")]
        bounds = [Content(tuple(g)) if g else None for g in given]
    else:
        bounds = [*inputs[1:3], *inputs[4:5]]
    source = inputs[0]
    if source is None or source.rank != 1 or any(b is None or len(b.elements) != 1 for b in bounds):
        return None
    numbers = [b.elements[0] for b in bounds if b is not None]
    if not all(isinstance(n, int) for n in numbers):
        return None
    start, end, *step = (n for n in numbers if isinstance(n, int))
    if any(s <= 0 for s in step):
        return None
    return Content(source.elements[start : end : (step or [1])[0]])


def _where(_node: ir.Node, inputs: Inputs) -> Content | None:
    return _pairwise(inputs, lambda c, x, y: x if c == 1 else y if c == 0 else (x if x == y else None))


def _equal(_node: ir.Node, inputs: Inputs) -> Content | None:
    return _pairwise(inputs, _equal_elements)


def _equal_elements(one: Dim, other: Dim) -> Dim:
    """1 or 0 where it is known: a dimension is never negative."""
    if one is None or other is None:
        return None
    if one == other:
        return 1
    if isinstance(one, int) and isinstance(other, int):
        return 0
    number = one if isinstance(one, int) else other
    return 0 if isinstance(number, int) and number < 0 else None


def _arithmetic(of_numbers: Callable[[int, int], int], neutral: int, *, commutes: bool) -> "Read":
    """Numbers are computed, a symbol with the neutral element stays; any other is not known."""

    def element(one: Dim, other: Dim) -> Dim:
        if isinstance(one, int) and isinstance(other, int):
            result = of_numbers(one, other)
            return result if abs(result) < 2**31 else None
        if other == neutral:
            return one
        return other if commutes and one == neutral else None

    return lambda _node, inputs: _pairwise(inputs, element)


def _of_numbers(choose: Callable[[Sequence[int]], int]) -> "Read":
    """Max and Min of any number of inputs: known where all elements are numbers."""

    def element(*given: Dim) -> Dim:
        numbers = [e for e in given if isinstance(e, int)]
        return choose(numbers) if len(numbers) == len(given) else None

    return lambda _node, inputs: _pairwise(inputs, element)


def _quotient(one: int, other: int) -> int:
    """Integer division of ONNX rounds to zero; Python's rounds down."""
    if other == 0:
        return 2**31
    return abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)


def _pairwise(inputs: Inputs, element: Callable[..., Dim]) -> Content | None:
    """Element by element, with broadcasting of single elements."""
    parts = [part for part in inputs if part is not None]
    if len(parts) != len(inputs):
        return None
    count = max(len(p.elements) for p in parts)
    if any(len(p.elements) not in (1, count) for p in parts) or any(not p.elements for p in parts):
        return None
    rows = [p.elements * count if len(p.elements) == 1 else p.elements for p in parts]
    return Content(tuple(element(*row) for row in zip(*rows, strict=True)), max(p.rank for p in parts))


def _constant_of_shape(node: ir.Node, inputs: Inputs) -> Content | None:
    shape = inputs[0]
    if shape is None or len(shape.elements) > 1:
        return None
    count = shape.elements[0] if shape.elements else 1
    filling = attribute(node, "value", None)
    number = 0 if filling is None else filling.numpy().reshape(-1)[0]
    if filling is None or filling.dtype not in INTEGERS or not isinstance(count, int) or count > MAX_ELEMENTS:
        return None
    return Content((int(number),) * count, len(shape.elements))


Read = Callable[[ir.Node, Inputs], Content | None]

READERS: dict[str, Read] = {
    "Shape": _shape,
    "Size": _size,
    "Identity": _same,
    "Cast": _cast,
    "Unsqueeze": _to_vector,
    "Squeeze": _to_scalar,
    "Reshape": _reshape,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Where": _where,
    "Equal": _equal,
    "ConstantOfShape": _constant_of_shape,
    "Add": _arithmetic(operator.add, 0, commutes=True),
    "Sub": _arithmetic(operator.sub, 0, commutes=False),
    "Mul": _arithmetic(operator.mul, 1, commutes=True),
    "Div": _arithmetic(_quotient, 1, commutes=False),
    "Max": _of_numbers(max),
    "Min": _of_numbers(min),
}
