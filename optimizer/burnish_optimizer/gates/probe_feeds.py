"""The inputs of one probe: every tensor that a model must be fed, at given sizes, in a given style. Pure."""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.gates import probe_whole
from burnish_optimizer.gates.probe_floats import Style, drawn, within
from burnish_optimizer.gates.probe_inputs import Input, fed, inputs_of
from burnish_optimizer.gates.probe_roles import Role
from burnish_optimizer.gates.probe_sizes import Assignment
from burnish_optimizer.gates.probe_trace import Use, size_hints, uses
from burnish_optimizer.gates.probe_whole import Wanted
from burnish_optimizer.ingest.feeds import Feeds
from burnish_runtime.session import Array


class Filler(StrEnum):
    """How integers, truth values and texts are made up: as the graph tells, else what few models refuse."""

    TRACED = "traced"
    ONES = "ones"
    ZEROS = "zeros"
    SMALL = "small integers"


@dataclass(frozen=True)
class Plan:
    """What a probe shall be about.

    Args:
        style: of its floating-point values.   batch: rows.   start: where its sizes begin (see LADDER).
        variant: which branch, padding and lengths its integers choose.   empty: dimensions of size 0.
    """

    style: Style
    batch: int = 2
    start: int = 5
    variant: int = 0
    empty: bool = False


@dataclass(frozen=True)
class Signature:
    """A model's inputs, and what it does with each. `rank`: of inputs that declare none."""

    inputs: tuple[Input, ...]
    uses: Mapping[str, Sequence[Use]]
    hints: Mapping[str, int]

    @classmethod
    def of(cls, model: ir.Model, rank: int) -> "Signature":
        """Trace every input through the graph."""
        values = tuple(fed(model))
        hints: dict[str, int] = {}
        for value in values:
            hints |= size_hints(model, value)
        return cls(inputs_of(model, rank), {v.name or "": uses(model, v) for v in values}, hints)

    @property
    def has_whole(self) -> bool:
        """Whether anything but floating-point numbers is fed."""
        return any(not one.dtype.is_floating_point() for one in self.inputs)

    @property
    def variants(self) -> int:
        """How many ways the constants lead that a single value is compared with; truth values have two."""
        return max((_ways(one, self.uses[one.name]) for one in self.inputs), default=1)

    def feeds(
        self, plan: Plan, at: Assignment, filler: Filler, seed: int, side: Callable[[int], int] = int
    ) -> Feeds:
        """The arrays of a probe: the same for the same arguments, whatever was tried before.

        Args: side: how long a side is to be, by how long it is at these sizes.
        """
        return {one.name: self._array(one, plan, at, filler, seed, side) for one in self.inputs}

    @property
    def has_floats(self) -> bool:
        """Whether any floating-point number is fed."""
        return any(one.dtype.is_floating_point() for one in self.inputs)

    def told(self, feeds: Feeds) -> str:
        """The single values that decide branches, for people: `sr 16000`."""
        names = [one.name for one in self.inputs if _ways(one, self.uses[one.name]) > 1]
        return ", ".join(f"{name} {feeds[name].ravel()[0]}" for name in names if feeds[name].size == 1)

    def _array(  # noqa: PLR0917 (all that decides on an array)
        self, one: Input, plan: Plan, at: Assignment, filler: Filler, seed: int, side: Callable[[int], int]
    ) -> Array:
        label = f"{one.name}/{plan.style.name}/{plan.variant}".encode()
        rng = np.random.default_rng([seed, zlib.crc32(label)])
        found = self.uses[one.name]
        dtype = one.dtype.numpy()
        shape = with_sides(one.shape(at.sizes), side)
        wanted = Wanted(one.name, dtype, shape, found, at.sizes, plan.variant, plan.style, rng)
        if one.dtype.is_floating_point():
            return np.asarray(_floats(wanted))
        made = _others(one, wanted) if filler is Filler.TRACED else _fallback(one, wanted, filler)
        return np.asarray(made, dtype)


def with_sides(shape: tuple[int, ...], side: Callable[[int], int]) -> tuple[int, ...]:
    """A shape with other sides; what has one axis alone, and rows, stay as they are."""
    return shape[:1] + tuple(map(side, shape[1:]))


def _floats(wanted: Wanted) -> Array:
    for role, fill in probe_whole.FLOAT_SIZING.items():
        if wanted.use(role):
            return within(fill(wanted), wanted.dtype)
    return drawn(wanted.style, wanted.dims, wanted.dtype, wanted.rng)


def _others(one: Input, wanted: Wanted) -> Array:
    if one.dtype == ir.DataType.STRING:
        return probe_whole.texts(wanted)
    return probe_whole.truths(wanted) if one.dtype == ir.DataType.BOOL else probe_whole.whole(wanted)


def _fallback(one: Input, wanted: Wanted, filler: Filler) -> Array:
    if one.dtype == ir.DataType.STRING:
        return np.full(wanted.dims, "1", object)
    if filler is Filler.SMALL:
        return wanted.rng.integers(0, 2, wanted.dims).astype(wanted.dtype)
    return np.full(wanted.dims, filler is Filler.ONES).astype(wanted.dtype)


def _ways(one: Input, found: Sequence[Use]) -> int:
    """How many probes it takes to go every way that one value decides."""
    if any(isinstance(dim, int) and dim > 1 for dim in one.dims) or math.prod(map(_least, one.dims)) > 1:
        return 1
    if one.dtype == ir.DataType.BOOL:
        return 2
    decides = any(use.role in (Role.EQUAL, Role.CONDITION) for use in found)
    return max(len(probe_whole.choices(found)), 2) if decides and not one.dtype.is_floating_point() else 1


def _least(dim: Any) -> int:
    return dim if isinstance(dim, int) else 1
