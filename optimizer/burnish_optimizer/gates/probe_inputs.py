"""What a model takes: its inputs with their free dimensions, and why some models cannot be probed. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

UNFILLABLE = frozenset({ir.DataType.UNDEFINED, ir.DataType.COMPLEX64, ir.DataType.COMPLEX128})
# What exporters write where a dimension has no name: the same word twice does not mean the same size.
NAMELESS = frozenset({"", "?", "-1", "None", "none", "unk", "unknown", "dynamic"})
BATCH_WORDS = frozenset({"n", "b", "bs", "bsz", "batch", "batch_size", "batchsize", "batch size"})
# Ranks to try for an input that declares none.
RANKS = (2, 1, 0, 3, 4)


@dataclass(frozen=True)
class Input:
    """One tensor that must be fed.

    Args: dims: sizes; a free dimension is the name of its variable (same name, same size), or an
        expression of such names (`past + 1`).
    """

    name: str
    dtype: ir.DataType
    dims: tuple[int | str, ...]

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape under an assignment of every variable."""
        return tuple(size(dim, sizes) for dim in self.dims)


def size(dim: int | str, sizes: Mapping[str, int]) -> int:
    """A dimension under an assignment; an expression is evaluated."""
    if isinstance(dim, int):
        return dim
    if dim in sizes:
        return sizes[dim]
    value = ir.SymbolicDim(dim).evaluate(sizes)
    return max(value, 0) if isinstance(value, int) else 1


def fed(model: ir.Model) -> Iterator[ir.Value]:
    """Inputs without a default: an initializer of the same name serves where nothing is fed (IR < 4)."""
    return (v for v in model.graph.inputs if v.name not in model.graph.initializers)


def unfillable(model: ir.Model) -> str:
    """Why no input can be made up for this model; empty where it can."""
    for value in fed(model):
        if value.type is not None and not isinstance(value.type, ir.TensorType):
            return f"input {value.name!r} is a {type(value.type).__name__.removesuffix('Type').lower()}"
        if value.dtype is None or value.dtype in UNFILLABLE:
            kind = "an unknown type" if value.dtype is None else value.dtype.name
            return f"input {value.name!r} has element type {kind}"
    return ""


def inputs_of(model: ir.Model, rank: int = RANKS[0]) -> tuple[Input, ...]:
    """All inputs that must be fed. `rank`: what to take where an input declares none."""
    return tuple(_input(value, rank) for value in fed(model))


def ranks_to_try(model: ir.Model) -> tuple[int, ...]:
    """Several where an input declares no rank, else one."""
    return RANKS if any(value.shape is None for value in fed(model)) else RANKS[:1]


def variables(inputs: Sequence[Input]) -> tuple[str, ...]:
    """Names of all free dimensions, in order of appearance."""
    found: dict[str, None] = {}
    for dim in (dim for one in inputs for dim in one.dims if isinstance(dim, str)):
        found.update(dict.fromkeys(sorted(_symbols(dim))))
    return tuple(found)


def batch_like(inputs: Sequence[Input]) -> frozenset[str]:
    """Variables that look like a count of rows: named so, or leading an input of two or more dimensions.

    A model's first input decides where none is named so; its other leading dimensions follow.
    """
    free = variables(inputs)
    named = frozenset(v for v in free if v.lower() in BATCH_WORDS)
    leading = (one.dims[0] for one in inputs if len(one.dims) > 1)
    return named or frozenset(dim for dim in leading if isinstance(dim, str) and dim in free)


def row_axes(inputs: Sequence[Input], rows: frozenset[str]) -> dict[str, int]:
    """By input, the axis that counts rows; inputs without one are shared by all rows."""
    return {one.name: axis for one in inputs for axis, dim in reversed([*enumerate(one.dims)]) if dim in rows}


def elements(inputs: Sequence[Input], sizes: Mapping[str, int]) -> int:
    """Elements of all inputs together."""
    return sum(math.prod(one.shape(sizes)) for one in inputs)


def _input(value: ir.Value, rank: int) -> Input:
    name = value.name or ""
    dims: Sequence[int | ir.SymbolicDim | None] = [None] * rank if value.shape is None else list(value.shape)
    assert value.dtype is not None  # noqa: S101 - `unfillable` was asked before
    return Input(name, value.dtype, tuple(_dim(name, axis, dim) for axis, dim in enumerate(dims)))


def _dim(name: str, axis: int, dim: int | ir.SymbolicDim | None) -> int | str:
    if isinstance(dim, int) and dim >= 0:
        return dim
    symbol = None if dim is None or isinstance(dim, int) else dim.value
    return f"{name} axis {axis}" if symbol is None or symbol in NAMELESS else str(symbol)


def _symbols(dim: str) -> frozenset[str]:
    """The names in an expression; a name that is none (`onnx::Shape_1`) stands for itself."""
    try:
        found = frozenset(ir.SymbolicDim(dim).free_symbols())
    except ValueError:
        return frozenset({dim})
    return found or frozenset({dim})
