"""Changes of the same kind: the same expression made into the same other one, apart from large weights.

94 HardSwish in a model are one question. FP64 is asked of a few of them on each trial; from what it allows
those, relative to the size of their answers, follows how far the others may move. One that moves further is
asked about itself, so nothing fails by the short cut.
"""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish_optimizer.gates.cut import Cut
from burnish_optimizer.gates.same import content, definition, plain
from burnish_optimizer.gates.view import View
from burnish_optimizer.reference.fp64 import Truth
from burnish_optimizer.reference.fp64_values import unit_roundoff

# Constants of more elements are weights: every region has its own.
SMALL_ELEMENTS = 32
# Kin round to other figures: this many times as far as those that FP64 was asked about.
SPREAD = 8.0
# No others may move further than this, however far those were from the truth that FP64 was asked about: where
# one of a kind is ill-conditioned, another need not be.
LEAST_ULPS, MOST_ULPS = 4.0, 64.0
# Nearer than the least to itself (in float32), an element need not be measured by what is around it.
NEAR = LEAST_ULPS * 2.0**-23
# FP64 takes about as long as so many regions in ONNX Runtime.
KIND_COST = 8
# An answer of about this many elements is enough to see an error in, and cheap.
WANTED_ELEMENTS = 4096


def kind(cut: Cut, before: View, after: View) -> Hashable:
    """Equal for cuts that hold the same nodes, wired alike, with the same small constants."""
    names: dict[str, int] = {}
    return tuple(
        tuple(_node(key, side, names) for key in sorted(keys, key=side.places.__getitem__))
        for side, keys in ((before, cut.before), (after, cut.after))
    )


def _node(key: str, side: View, names: dict[str, int]) -> Hashable:
    node = side.nodes[key]
    inputs = tuple(None if v is None else _value(v.name or "", side, names) for v in node.inputs)
    outputs = tuple(names.setdefault(v.name or "", len(names)) for v in node.outputs)
    return (
        definition(node, side),
        inputs,
        outputs,
        tuple((n, plain(node.attributes.data[n])) for n in sorted(node.attributes.data)),
    )


def _value(name: str, side: View, names: dict[str, int]) -> Hashable:
    tensor = side.constants.get(name)
    if tensor is None:
        return names.setdefault(name, len(names))
    if tensor.size <= SMALL_ELEMENTS:
        return content(tensor)
    return tensor.dtype, len(tensor.shape)


@dataclass
class Kin:
    """What FP64 said of some regions, by kind and trial: the farthest that rounding may move the others.

    allowed: relative to the size of an answer, see `_sizes`.   odd: how NaN and Inf came and went there.
    """

    allowed: dict[Hashable, list[float]] = field(default_factory=dict)
    odd: dict[Hashable, set[str]] = field(default_factory=dict)

    def to_ask(self, outputs: Mapping[str, Hashable], found: Mapping[str, Any], most: int) -> Iterator[str]:
        """The outputs that FP64 must be asked about first.

        Args: outputs: what they are, by name.   most: how many of a kind.
        """
        open_places: dict[Hashable, int] = {}
        for name in sorted(outputs, key=lambda n: _distance(found[n])):
            what = outputs[name]
            left = open_places.setdefault(what, most - len(self.allowed.get(what, ())))
            if left > 0:
                open_places[what] = left - 1
                yield name

    def learn(self, what: Hashable, truth: Truth, moved: "Moved") -> None:
        """An answer of this kind held: others may move as far as its bound, a few times as far as it did."""
        known = np.isfinite(truth.value) & np.isfinite(truth.error)
        bound = np.inf
        if known.any():  # (where FP64 knows nothing, what overflows on the way, the other limits hold)
            bound = _relative(np.where(known, truth.error, 0.0), np.where(known, truth.value, 0.0))
        ulp = _ulp(truth.dtype)
        limit = min(bound, max(SPREAD * moved.relative, LEAST_ULPS * ulp), MOST_ULPS * ulp)
        self.allowed.setdefault(what, []).append(limit)
        self.odd.setdefault(what, set()).update(moved.odd)

    def explains(self, what: Hashable, moved: "Moved") -> bool:
        """Whether an answer moved no further than its kin may."""
        limits = self.allowed.get(what)
        return limits is not None and moved.relative <= min(limits) and moved.odd <= self.odd[what]


@dataclass(frozen=True)
class Moved:
    """How an answer differs from another.

    Args: relative: the largest difference of numbers, relative to those around it; infinite where there is no
        telling.   odd: how NaN and Inf came and went.
    """

    relative: float
    odd: frozenset[str]

    @classmethod
    def of(cls, found: Any, expected: Any, *, by_itself: bool = False) -> "Moved":
        """Compare two answers. Args: by_itself: whether an element is measured by nothing else."""
        if not isinstance(expected, np.ndarray) or expected.dtype.kind != "f":
            return cls(np.inf, frozenset())
        if found.shape != expected.shape or found.dtype != expected.dtype:
            return cls(np.inf, frozenset())
        wide = expected if expected.dtype == np.float32 else expected.astype(np.float64)
        with np.errstate(all="ignore"):
            error = found - wide
            if np.isfinite(error).all():  # as a rule: both sides are, too
                return cls(_quotient(error, wide, by_itself), frozenset())
        odd = _odd(found, expected)
        return cls(np.inf if "other" in odd else _difference(error, wide, by_itself), odd)


def _distance(array: Any) -> float:
    return abs(float(np.log((getattr(array, "size", 0) + 1) / WANTED_ELEMENTS)))


def _odd(found: Any, expected: Any) -> frozenset[str]:
    """How NaN and Inf are not the same on both sides, by what became of them.

    A fused kernel may avoid an overflow, and what is no number may be another one.
    """
    finite = np.isfinite(found), np.isfinite(expected)
    if all(side.all() for side in finite):
        return frozenset()
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    odd = ~(finite[0] & finite[1]) & ~same
    if not odd.any():
        return frozenset()
    large = np.abs(found) >= np.finfo(found.dtype).max * 2.0**-8
    avoided = np.isinf(expected) & finite[0] & large & (np.sign(found) == np.sign(expected))
    neither = ~finite[1] & ~finite[0]
    kinds = {"overflow avoided": odd & avoided, "no number": odd & neither}
    kinds["other"] = odd & ~avoided & ~neither
    return frozenset(name for name, where in kinds.items() if where.any())


def _difference(error: Any, wide: Any, by_itself: bool) -> float:
    """Of those elements that have one."""
    numbers = np.isfinite(error)
    with np.errstate(all="ignore"):
        return _quotient(np.where(numbers, error, 0), np.where(numbers, wide, 0), by_itself)


def _relative(error: Any, values: Any) -> float:
    with np.errstate(all="ignore"):
        return _quotient(error, values)


def _quotient(error: Any, values: Any, by_itself: bool = False) -> float:
    """The largest quotient of an error and what it is to be measured by, see `_sizes`.

    No element is measured by less than itself: only those that are far off by that measure need the other.
    """
    error, values = np.abs(error), np.abs(values)
    quotients = np.divide(error, values, out=np.zeros_like(error), where=error > 0)
    largest = float(quotients.max(initial=0.0))
    if by_itself or largest <= NEAR:
        return largest
    far = quotients > NEAR
    quotients[far] = error[far] / _sizes(values, far)
    return float(quotients.max(initial=0.0))


def _sizes(values: Any, where: Any) -> Any:
    """What elements are to be measured by: the largest number of each row, channel and plane that one is in,
    the least of these. A channel of small numbers could go wrong unseen beside the largest of all.

    Args: where: which elements, as truth values.   Returns: their sizes, in order.
    """
    if not values.ndim:
        return values[where]
    peaks = zip(_peaks(values), np.nonzero(where), strict=True)
    return np.minimum.reduce([largest[places] for largest, places in peaks])


def _peaks(values: Any) -> list[Any]:
    """For each axis, the largest number at each of its places; the array is read twice, whatever its rank."""
    if values.ndim == 1:
        return [values]
    half = values.ndim // 2
    front, back = values.shape[:half], values.shape[half:]
    flat = values.reshape(math.prod(front), math.prod(back))
    return _peaks(flat.max(axis=1).reshape(front)) + _peaks(flat.max(axis=0).reshape(back))


def _ulp(dtype: Any) -> float:
    return 2.0 * unit_roundoff(dtype)


def by_output(chunk: Sequence[Cut], sides: tuple[View, View]) -> dict[str, Hashable]:
    """What each output of these cuts is: the kind of its region and its place in it."""
    kinds = [(cut, kind(cut, *sides)) for cut in chunk]
    return {name: (what, n) for cut, what in kinds for n, name in enumerate(cut.region.outputs)}


def shares(cuts: Sequence[Cut], sides: tuple[View, View], count: int) -> list[list[Cut]]:
    """Cuts divided among several processes: kin stay together, and all have about as much to do."""
    kinds: dict[Hashable, list[Cut]] = {}
    for cut in cuts if count > 1 else ():
        kinds.setdefault(kind(cut, *sides), []).append(cut)
    if len(kinds) < 2:
        return [list(cuts)]
    found: list[list[Cut]] = [[] for _ in range(min(count, len(kinds)))]
    loads = [0] * len(found)
    for kin in sorted(kinds.values(), key=len, reverse=True):
        least = loads.index(min(loads))
        found[least] += kin
        loads[least] += KIND_COST + len(kin)
    return found
