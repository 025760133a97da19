"""Weights so small that processors leave the fast path for them, made 0 where that cannot be seen.

A factor or a bias of a sum of products: each product changes by less than 2**-126 times the other factor,
which rounding of any other product hides. Elsewhere a tiny constant may keep a quotient or a logarithm
finite, and stays. Why no flag of ONNX Runtime's or of the processor's: decisions/0012.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.values import op_key, tensor
from burnish_optimizer.rewrite.walk import model_nodes

PRODUCTS = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"}
    | {f"com.microsoft::Fused{name}" for name in ("Conv", "Gemm", "MatMul")}
)
# FP16's subnormal numbers are large enough to count, and narrower types are computed with in others.
WIDE = frozenset({ir.DataType.FLOAT, ir.DataType.DOUBLE})


@dataclass(frozen=True)
class Cleared:
    """weights: that were subnormal and are 0 now, of `count`."""

    weights: int
    count: int

    def __str__(self) -> str:
        return (
            f"{self.weights:,} of {self.count:,} weights ({100 * self.weights / self.count:.2g} %) were "
            "subnormal (closer to 0 than 1.2e-38, slow to compute with) and are 0"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """For the report: nothing where nothing was done."""
        return (str(self),) if self.weights else ()


def clear_file(path: Path) -> Cleared:
    """Make them 0 in a model that is one file."""
    model = ir.load(path)
    done = clear(model)
    if done.weights:
        ir.save(model, path)
    return done


def clear(model: ir.Model, store: Callable[[int], None] = lambda made_bytes: None) -> Cleared:
    """Make them 0, in place, one tensor at a time.

    Args: store: is told the bytes of each tensor that was made (see `large.Opened.store`).
    """
    weights = count = 0
    for value, held in _weights(model):
        array = held.numpy()
        tiny = _subnormal(array)
        found = int(np.count_nonzero(tiny))
        weights, count = weights + found, count + array.size
        if found:
            _replace(value, np.where(tiny, np.zeros((), array.dtype), array))
            store(array.nbytes)
    return Cleared(weights, count)


def _weights(model: ir.Model) -> Iterator[tuple[ir.Value, ir.TensorProtocol]]:
    values = dict.fromkeys(
        value for node in model_nodes(model) if op_key(node) in PRODUCTS for value in node.inputs if value
    )
    for value in values:
        held = tensor(value)
        if held is not None and held.dtype in WIDE and _is_factor_alone(value):
            yield value, held


def _is_factor_alone(value: ir.Value) -> bool:
    return not value.is_graph_output() and all(op_key(use.node) in PRODUCTS for use in value.uses())


def _subnormal(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray((np.abs(array) < np.finfo(array.dtype).tiny) & (array != 0))


def _replace(value: ir.Value, array: np.ndarray[Any, Any]) -> None:
    made = ir.tensor(array, name=value.name)
    node = value.producer()
    if node is None:
        value.const_value = made
    else:
        node.attributes.clear()  # a Constant may have its number in other attributes
        node.attributes.add(ir.AttrTensor("value", made))
