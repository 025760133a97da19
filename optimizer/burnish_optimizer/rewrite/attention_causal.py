"""Masks that are shown to be causal: row i of the queries sees the keys 0 … i."""

from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.attention_dims import Dimension, Dimensions
from burnish_optimizer.rewrite.values import attribute, constant, is_op, rank

MAX_ELEMENTS = 1 << 22

Array = np.ndarray[Any, np.dtype[Any]]


def is_causal(mask: ir.Value, extent: tuple[Dimension, Dimension], dims: Dimensions) -> bool:
    """Whether an added mask of [rows, keys] hides the keys behind the row's own number, and nothing else."""
    value = _matrix(mask)
    found = constant(value, MAX_ELEMENTS)
    if found is not None:
        return _is_lower(found, extent)
    entries = dims.entries(_size(value))
    return entries is not None and entries[-2:] == extent


def _matrix(value: ir.Value | None) -> ir.Value | None:
    """The mask without the axes of batch and heads that were put before it."""
    node = is_op(value, "Unsqueeze")
    if node is None or len(node.inputs) < 2:
        return value
    axes, before = constant(node.inputs[1], 4), rank(node.inputs[0])
    after = rank(value)
    if axes is None or before is None or after is None:
        return value
    first = {int(axis) % after for axis in axes.reshape(-1)} == set(range(after - before))
    return _matrix(node.inputs[0]) if first else value


def _is_lower(found: Array, extent: tuple[Dimension, Dimension]) -> bool:
    if found.ndim < 2 or found.shape[-2:] != extent or found.size != found.shape[-2] * found.shape[-1]:
        return False
    matrix = found.reshape(found.shape[-2:])
    seen = np.tri(*matrix.shape) > 0
    return bool((matrix[seen] == 0).all()) and not seen.all() and _hides(matrix[~seen])


def _hides(numbers: Array) -> bool:
    """−∞, or the type's lowest number, which takes in any score that is added to it."""
    lowest = np.finfo(numbers.dtype).min if numbers.dtype.kind == "f" else -np.inf
    return bool(((numbers == -np.inf) | (numbers == lowest)).all())


def _size(value: ir.Value | None) -> ir.Value | None:
    """What gives its size to a triangle: −∞ cut by Trilu, or put by Where beside ones that Trilu cut.

    Where may leave the ones (torch's exporter does): all that is seen is 1 more, which softmax takes out.
    """
    where = is_op(value, "Where")
    if where is None:
        full = _full(value, upper=1, diagonal=1)
        return full[1] if full is not None and _hides(full[0]) else None
    equal, hidden, seen = is_op(where.inputs[0], "Equal"), constant(where.inputs[1], 1), where.inputs[2]
    if equal is None or hidden is None or not _hides(hidden) or not _is_number(equal.inputs[1], 0.0):
        return None
    full = _full(equal.inputs[0], upper=0, diagonal=0)
    rest = seen is equal.inputs[0] or _is_number(seen, 0.0)
    return full[1] if full is not None and rest and bool((full[0] == 1).all()) else None


def _full(value: ir.Value | None, *, upper: int, diagonal: int) -> tuple[Array, ir.Value | None] | None:
    """(number, size) of what is one number everywhere before Trilu cuts it."""
    trilu = is_op(value, "Trilu")
    if trilu is None or attribute(trilu, "upper", 1) != upper:
        return None
    given = constant(trilu.inputs[1], 1) if len(trilu.inputs) > 1 else np.array(0)
    full = is_op(trilu.inputs[0], "Expand", "ConstantOfShape")
    if given is None or full is None or int(given.item()) != diagonal:
        return None
    if full.op_type == "Expand":
        number, size = constant(full.inputs[0], 1), full.inputs[1]
    else:
        held, size = full.attributes.get("value"), full.inputs[0]
        number = held.as_tensor().numpy() if held is not None else None
    return (number, size) if number is not None and number.size == 1 else None


def _is_number(value: ir.Value | None, number: float) -> bool:
    found = constant(value, 1)
    return found is not None and found.size == 1 and float(found.item()) == number
