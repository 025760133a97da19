"""Integers, truth values and texts that are legal where a model uses them. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish_optimizer.gates.probe_floats import Style
from burnish_optimizer.gates.probe_roles import Role
from burnish_optimizer.gates.probe_trace import Use, compared_with, index_limits
from burnish_optimizer.rewrite.values import attribute, op_key, shape
from burnish_runtime.session import Array

TEXTS = ("burnish", "", "The quick brown fox", "naïve café", "A", "0", "monday")
NUMERALS = ("0", "1", "-2.5", "1e3", "7")
BYTES = 256
SMALL = 9
# Every so many of the integers is one of the constants that the model compares them with.
CONSTANT_SHARE = 8


@dataclass(frozen=True)
class Wanted:
    """What to make an array of.

    Args:
        dims: its shape.   uses: what the model does with it.   sizes: of the free dimensions.
        variant: which branch to take, which rows to pad.   style: what the probe is about.
    """

    name: str
    dtype: np.dtype[Any]
    dims: tuple[int, ...]
    uses: Sequence[Use]
    sizes: Mapping[str, int]
    variant: int
    style: Style
    rng: np.random.Generator = field(repr=False)

    def use(self, *roles: Role) -> Use | None:
        """The first use in one of these roles."""
        return next((use for use in self.uses if use.role in roles), None)


def texts(wanted: Wanted) -> Array:
    """Words, numerals where they are parsed, and the constants that the model compares with."""
    known = [c for u in wanted.uses if u.role is Role.EQUAL for c in compared_with(u)]
    pool = [*known, *(NUMERALS if wanted.use(Role.NUMERAL) else TEXTS)]
    picked = wanted.rng.integers(0, len(pool), wanted.dims)
    return (
        np.array(pool, object)[picked] if wanted.dims else np.array(pool[wanted.variant % len(pool)], object)
    )


def truths(wanted: Wanted) -> Array:
    """Random, and both ways in turn where one value decides."""
    if math.prod(wanted.dims) == 1 or wanted.use(Role.CONDITION):
        return np.full(wanted.dims, wanted.variant % 2 == 0)
    return wanted.rng.random(wanted.dims) < 0.5


def whole(wanted: Wanted) -> Array:
    """Integers for the most binding role that the model gives them."""
    for role, fill in _FILLS.items():
        use = wanted.use(role)
        if use is not None:
            return _of(fill(wanted, use), wanted)
    return _of(_plain(wanted), wanted)


def choices(uses: Sequence[Use]) -> tuple[Any, ...]:
    """The constants that an input is compared with, and one that is none of them; empty where it is not."""
    known = sorted({c for use in uses if use.role is Role.EQUAL for c in compared_with(use)})
    return (*known[::-1], known[-1] + 1) if known and not isinstance(known[0], str) else ()


def axis_permutation(wanted: Wanted, use: Use) -> Array:
    """Distinct axes: those of size 1 first for Squeeze; a single index for CumSum."""
    known = shape(use.node.inputs[0]) or (None,) * max(math.prod(wanted.dims), 1)
    order: list[int] = list(range(len(known)))
    if op_key(use.node) == "Squeeze":
        order.sort(key=lambda axis: known[axis] != 1)
    return np.resize(np.array(order or [0]), wanted.dims)


def _of(values: Any, wanted: Wanted) -> Array:
    """As the wanted type and shape, wrapped into its range."""
    array = np.broadcast_to(np.asarray(values), wanted.dims)
    if wanted.dtype.kind in "iu":
        info = np.iinfo(wanted.dtype)
        array = np.clip(array, info.min, info.max)
    return array.astype(wanted.dtype)


def _plain(wanted: Wanted) -> Array:
    if wanted.dtype.kind in "iu" and wanted.dtype.itemsize == 1:
        info = np.iinfo(wanted.dtype)
        return wanted.rng.integers(info.min, info.max, wanted.dims, endpoint=True)
    if wanted.style is Style.LARGE and wanted.dtype.kind in "iu" and len(wanted.dims) > 1:
        return _wide(wanted)
    least = 0 if wanted.dtype.kind in "uV" else -SMALL
    return wanted.rng.integers(least, SMALL if wanted.dtype.kind != "V" else 2, wanted.dims)


def _wide(wanted: Wanted) -> Array:
    """Numbers of every length in bits: narrower integers would overflow.

    Only for two dimensions and more: what sizes a tensor by a way that was not traced is no table.
    """
    bits = np.iinfo(wanted.dtype).bits - 2
    numbers = (2.0 ** wanted.rng.uniform(0, bits, wanted.dims)).astype(np.int64)
    return numbers if wanted.dtype.kind == "u" else numbers * wanted.rng.choice([-1, 1], wanted.dims)


def _index(wanted: Wanted, _use: Use) -> Array:
    """Within every axis that they address; from the end too where the probe is about odd values."""
    limits = [index_limits(use) for use in wanted.uses if use.role is Role.INDEX]
    sizes = [wanted.sizes.get(one, 1) if isinstance(one, str) else one or 1 for one in limits]
    least = min(sizes)
    start = -least if wanted.style is Style.NONFINITE and wanted.dtype.kind == "i" else 0
    made = wanted.rng.integers(start, max(least, 1), wanted.dims)
    known = [c for c in choices(wanted.uses) if 0 <= c < least]
    if known and math.prod(wanted.dims) >= CONSTANT_SHARE:
        flat = made.reshape(-1)
        flat[::CONSTANT_SHARE] = np.resize(known, len(flat[::CONSTANT_SHARE]))
    return made


def _choice(wanted: Wanted, _use: Use) -> Array:
    """One value decides: the constants in turn. Many: all of them, mixed."""
    known = choices(wanted.uses)
    if not known:
        return _mask(wanted, _use) if wanted.use(Role.MASK) else _plain(wanted)
    if math.prod(wanted.dims) == 1:
        return np.full(wanted.dims, known[wanted.variant % len(known)])
    return wanted.rng.choice(np.array(known), wanted.dims)


def _mask(wanted: Wanted, _use: Use) -> Array:
    """Ones with padding at the end of some rows; the first row whole, no row empty."""
    made = np.ones(wanted.dims, np.int64)
    if made.ndim == 0 or not made.size:
        return made
    last = wanted.dims[-1]
    rows = made.reshape(-1, last)
    for number in range(wanted.variant + 1 & 1, len(rows), 2):
        rows[number, max(1, last - 1 - (number + wanted.variant) % max(last // 2, 1)) :] = 0
    return made


def _reshape(wanted: Wanted, use: Use) -> Array:
    """The data's own shape where that has as many numbers, else all of it along one axis."""
    known, count = shape(use.node.inputs[0]), math.prod(wanted.dims)
    if known is not None and len(known) == count and None not in known:
        order = list(known)
        return np.array(order[::-1] if wanted.variant % 2 else order)
    return np.array([-1, *[1] * (count - 1)] if wanted.variant % 2 == 0 else [*[1] * (count - 1), -1])


def _lengths(wanted: Wanted, use: Use) -> Array:
    """Small ones that differ; an image keeps its rows and channels."""
    known = shape(use.node.inputs[0]) or ()
    count = math.prod(wanted.dims)
    lengths = [known[i] if 2 + i < count == len(known) else None for i in range(count)]
    return np.array([2 + i % 3 if size is None else size for i, size in enumerate(lengths)]).reshape(
        wanted.dims
    )


def _split(wanted: Wanted, use: Use) -> Array:
    """Parts that add up to the axis, the last one the largest."""
    known = shape(use.node.inputs[0]) or ()
    axis = int(attribute(use.node, "axis", 0))
    total = known[axis] if -len(known) <= axis < len(known) else None
    count = math.prod(wanted.dims)
    if not wanted.dims or not count:
        return np.full(wanted.dims, 1)
    return np.array([*[1] * (count - 1), max((total or count) - count + 1, 0)])


def _scales(wanted: Wanted) -> Array:
    """1 or 2; rows and channels of an image stay as many as they are."""
    made = wanted.rng.integers(1, 2, wanted.dims, endpoint=True).astype(np.float64)
    if len(wanted.dims) == 1 and wanted.dims[0] > 2:
        made[:-2] = 1.0
    return made


def _random(low: int, high: int) -> Callable[[Wanted, Use], Array]:
    return lambda wanted, _use: wanted.rng.integers(low, high, wanted.dims, endpoint=True)


# The most binding role first.
_FILLS: Mapping[Role, Callable[[Wanted, Use], Array]] = {
    Role.RESHAPE: _reshape,
    Role.EXPAND: lambda wanted, _use: np.full(wanted.dims, 1),
    Role.SPLIT: _split,
    Role.AXIS: axis_permutation,
    Role.LENGTHS: _lengths,
    Role.COUNT: lambda wanted, _use: np.full(wanted.dims, 1 + wanted.variant % 3),
    Role.ZERO: lambda wanted, _use: np.full(wanted.dims, 0),
    Role.END: lambda wanted, _use: np.full(wanted.dims, 1 + wanted.variant),
    Role.PAD: _random(0, 2),
    Role.SCALE: _random(1, 2),
    Role.INDEX: _index,
    Role.DIVISOR: _random(1, SMALL),
    Role.POWER: _random(0, 3),
    Role.CONDITION: lambda wanted, use: (
        _choice(wanted, use) if choices(wanted.uses) else np.full(wanted.dims, wanted.variant % 2)
    ),
    Role.EQUAL: _choice,
    Role.MASK: _mask,
}

FLOAT_SIZING: Mapping[Role, Callable[[Wanted], Array]] = {
    Role.SCALE: _scales,
    Role.SHARE: lambda wanted: wanted.rng.random(wanted.dims) * 0.5,
    Role.COUNT: lambda wanted: np.full(wanted.dims, 1.0 + wanted.variant % 3),
    Role.ZERO: lambda wanted: np.zeros(wanted.dims),
}
