"""What the FP64 evaluation computes with: arrays in FP64 that stand for arrays of a narrower type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir

from burnish_optimizer.errors import NoTruth
from burnish_runtime.session import Array

DType = np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Wide:
    """An array in FP64 that stands for one of `dtype`; integers, bools and strings are themselves.

    perturbed: whether this run changed it (or anything that it was computed from) on purpose.
    fed: whether it was computed from what is fed, and not from constants alone.
    """

    data: Array
    dtype: DType
    perturbed: bool = False
    fed: bool = False


# What a value can hold: a tensor, nothing (an input that was left out), or a sequence of them.
Datum = Wide | None | list[Any]


class LeftToReference(Exception):
    """A rare variant of an operator, which our kernel leaves to the one of `onnx.reference`."""


@cache
def is_float(dtype: DType) -> bool:
    """Whether numbers of this type are rounded: IEEE types, bfloat16 and float8."""
    if dtype.kind == "f":
        return True
    return dtype.kind == "V" and dtype.name.startswith(("bfloat", "float"))


def _limits(dtype: DType) -> Any:
    return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]


@cache
def unit_roundoff(dtype: DType) -> float:
    """u = 2^-p: the largest relative error of rounding to nearest (f32 2^-24, f16 2^-11, bf16 2^-8)."""
    return float(_limits(dtype).eps) / 2 if is_float(dtype) else 0.0


@cache
def smallest_normal(dtype: DType) -> float:
    """Below this, numbers lose bits, and hardware may flush them to 0."""
    return float(_limits(dtype).smallest_normal)


def widen(array: Array, dtype: DType) -> Array:
    """As FP64 where `dtype` is a float type; 4-bit integers as bytes; anything else as it is."""
    if is_float(dtype):
        bits = array.view(dtype) if array.dtype != dtype and array.dtype == np.uint16 else array
        return bits.astype(np.float64)
    if dtype.kind == "V":
        return array.astype(np.int8 if dtype.name.startswith("int") else np.uint8)
    return array


def store(data: Array, dtype: DType) -> Array:
    """What remains of FP64 numbers once they are held in `dtype`: rounded, overflown, underflown."""
    with np.errstate(all="ignore"):
        rounded: Array = data.astype(dtype).astype(np.float64)
    return rounded


def element_type(declared: ir.DataType) -> DType:
    """The NumPy type of an element type.

    Raises: NoTruth: there is none.
    """
    try:
        return np.dtype(declared.numpy())
    except TypeError:
        raise NoTruth(str(declared), "NumPy has no such element type") from None


@cache
def headroom(dtype: DType) -> float:
    """Above this, whether a number overflows depends on the order of operations.

    With 8 bits of exponent that is 2^-8 of the largest number: 1e36, which no model means. Types of fewer
    bits have no room to give away.
    """
    most = float(_limits(dtype).max)
    return most * 2.0**-8 if most > 1e30 else most


@dataclass(frozen=True)
class Call:
    """One node about to be computed.

    Args:
        inputs: what arrives, FP64 for floats.   data: the same as bare arrays (None: left out).
        bound: attributes of the function that the node is in.   graph: runs a subgraph attribute.
    """

    node: ir.Node
    version: int
    inputs: tuple[Datum, ...]
    data: tuple[Any, ...]
    bound: Mapping[str, ir.Attr]
    graph: Callable[[str, Sequence[Datum]], list[Datum]]

    def attr(self, name: str, default: Any = None) -> Any:
        """The value of an attribute (floats as the FP32 numbers that they are), or `default`."""
        found = self.resolve(self.node.attributes.get(name))
        if found is None or found.value is None:
            return default
        if found.type == ir.AttributeType.FLOAT:
            return float(np.float32(found.value))
        if found.type == ir.AttributeType.FLOATS:
            return [float(np.float32(v)) for v in found.value]
        return found.value

    def resolve(self, attribute: ir.Attr | None) -> ir.Attr | None:
        """The attribute itself, where it only refers to one of the function's."""
        if attribute is not None and attribute.is_ref():
            return self.bound.get(attribute.ref_attr_name or "")
        return attribute

    def given(self, index: int) -> Any:
        """The array at this input, None where it was left out."""
        return self.data[index] if index < len(self.data) else None

    def dtype(self, index: int) -> DType:
        """The type that the input stands for."""
        value = self.inputs[index]
        if not isinstance(value, Wide):
            raise NoTruth(self.node.op_type, f"input {index} is no tensor")
        return value.dtype


Kernel = Callable[[Call], Sequence[Any]]
# The local rounding of each output, as an array or a number, in units of its type's u.
Magnitude = Callable[[Call, Sequence[Any]], Sequence[Any]]
