"""Variations of the inputs of a region that was cut out of a model. Pure.

Only floating-point inputs vary: integers, truth values and texts are indices, sizes and branches there,
and keep the values that a real run gave them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.gates.probe_floats import (
    finite_extremes,
    nonfinite,
    one_in_a_row,
    scattered,
    square_overflows,
    within,
)
from burnish_optimizer.gates.probe_roles import SIZING
from burnish_optimizer.gates.probe_trace import uses
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.rewrite.walk import needs
from burnish_runtime.session import Array

MOST = 7
# Each element has a magnitude of its own: 10^-6 to 10^6, within the range of its type.
MAGNITUDES = (-6.0, 6.0)
MIXED = "10^-6 to 10^6"

Vary = Callable[[Array, np.random.Generator], Array]


def varied_floats(
    model: ir.Model, captured: Feeds, nodes: Collection[ir.Node] | None = None
) -> dict[str, ir.DataType]:
    """The floating-point values at the cut of a region that size nothing there (Resize scales, Range).

    Args: captured: what they held.   nodes: the region's nodes; None: all of the model.
    """
    floats = {n: ir.DataType.from_numpy(a.dtype) for n, a in captured.items() if _is_float(a)}
    inner = frozenset(nodes) if nodes is not None else None
    takers = model.graph if nodes is None else nodes
    values = {v.name: v for node in takers for v in needs(node) if v.name in floats}
    sizing = {
        name for name, value in values.items() if any(u.role in SIZING for u in uses(model, value, inner))
    }
    return {name: kind for name, kind in floats.items() if name not in sizing}


def _is_float(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind == "f"


def region_variations(
    captured: Feeds, floats: Mapping[str, ir.DataType], seed: int = 0, most: int = MOST
) -> Iterator[tuple[str, Feeds]]:
    """Named inputs to run a region on, the captured ones first.

    Args:
        captured: what the region's inputs held in a run of the model; may hold arrays without elements.
        floats: the inputs that vary, with their element types (bfloat16 may travel as raw uint16).
    """
    yield "captured", captured
    if not any(captured[name].size for name in floats):
        return
    for name, vary in islice(_VARIATIONS.items(), max(most - 1, 0)):
        rng = np.random.default_rng([seed, len(name)])
        yield (
            name,
            {
                key: _varied(array, floats[key], vary, rng) if key in floats else array
                for key, array in captured.items()
            },
        )


def _varied(array: Array, kind: ir.DataType, vary: Vary, rng: np.random.Generator) -> Array:
    """Vary the numbers, whatever type carries them."""
    dtype = np.dtype(kind.numpy())
    made = vary(array if array.dtype == dtype else array.view(dtype), rng)
    return np.ascontiguousarray(made).view(array.dtype).reshape(array.shape)


def _spread(array: Array, rng: np.random.Generator) -> Array:
    """normal × 10^k, k of its own for each element; never negative where nothing captured was.

    (What was captured tells the domain: variances, scales and probabilities have no sign.)
    """
    values = rng.standard_normal(array.shape) * 10.0 ** rng.uniform(*MAGNITUDES, array.shape)
    unsigned = array.size > 0 and not np.any(array.astype(np.float64) < 0)
    return within(np.abs(values) if unsigned else np.asarray(values), array.dtype)


def _distinct(array: Array, rng: np.random.Generator) -> Array:
    """Every element another number between -2 and 2, in no order: swapped axes and mixed rows show."""
    steps = (np.arange(array.size) + 0.5) * (4.0 / max(array.size, 1)) - 2.0
    return within(rng.permutation(steps).reshape(array.shape), array.dtype)


def _special(array: Array, rng: np.random.Generator) -> Array:
    """Captured values with a few ±0, denormals and largest numbers, and with NaN in a row."""
    nan = nonfinite(array.dtype)[:1]
    return one_in_a_row(scattered(array, finite_extremes(array.dtype), rng), nan, rng)


def _infinite(array: Array, rng: np.random.Generator) -> Array:
    """Captured values with +Inf in one row and -Inf in another."""
    return one_in_a_row(array, nonfinite(array.dtype)[1:], rng)


def _large(array: Array, rng: np.random.Generator) -> Array:
    """Captured values with a few so large among them that only their squares overflow."""
    return scattered(array, square_overflows(array.dtype), rng)


def _zeros(array: Array, _rng: np.random.Generator) -> Array:
    return np.zeros(array.shape, array.dtype)


_VARIATIONS: Mapping[str, Any] = {
    MIXED: _spread,
    "NaN, zeros, denormals": _special,
    "infinities": _infinite,
    "squares that overflow": _large,
    "all different": _distinct,
    "zeros": _zeros,
}
