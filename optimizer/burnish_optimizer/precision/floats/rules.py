"""Which nodes keep FP32 in a graph of narrower floats, and why: by ranges wherever they are known. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from burnish_optimizer.precision.floats.constants import FLOAT16_MAX, INFINITE, flaw
from burnish_optimizer.precision.floats.slots import Slots
from burnish_optimizer.rewrite.values import attribute, constant, dtype, op_key, shape, site_name, tensor

Ranges = Mapping[str, tuple[float, float]]
# Room for inputs that calibration did not see.
SAFETY = 4.0
SMALLEST_NORMAL = 2.0**-14
# Kernels may sum in the narrow type: n terms are then off by up to n·2^-11.
MOST_TERMS = 256
# An angle is off by 2^-11 of itself; what is below is off by less than 1/256.
LARGEST_ANGLE = 8.0
SMALL_ELEMENTS = 4096

SUMS = frozenset({"ReduceSum", "ReduceMean", "ReduceL1", "ReduceLogSum", "GlobalAveragePool", "CumSum"})
SQUARES = frozenset({"ReduceL2", "ReduceSumSquare"})
ANGLES = frozenset({"Sin", "Cos", "Tan"})
# What they make of a number grows fast, or without limit near 0.
GROWS = frozenset(
    {"Exp", "Pow", "Reciprocal", "Log", "ReduceProd", "ReduceSumSquare", "Sinh", "Cosh", "Tan", "CumSum"}
)
# Input whose smallest numbers must stay apart from 0.
DIVIDED_BY = {"Div": 1, "Reciprocal": 0, "Log": 0, "Sqrt": 0, "Pow": 0}


@dataclass(frozen=True)
class Facts:
    """What is known of a model. keep: nodes and values that must stay, by name.

    beyond: values that left the narrow type's range when it was run.
    exact: integers up to this are exact in the narrow type.   bounded: its range is smaller than FP32's.
    """

    ranges: Ranges
    keep: frozenset[str] = frozenset()
    exact: int = 2048
    bounded: bool = True
    beyond: frozenset[str] = frozenset()
    flaws: dict[int, str] = field(default_factory=dict)

    def range(self, value: ir.Value) -> tuple[float, float] | None:
        """Lowest and highest number of a value; an end that stands for infinity is left out."""
        found = self.ranges.get(value.name or "")
        if found is None:
            return None
        low, high = found
        return 0.0 if low <= -INFINITE else low, 0.0 if high >= INFINITE else high

    def bound(self, value: ir.Value) -> float | None:
        """Largest magnitude."""
        found = self.range(value)
        return None if found is None else max(abs(found[0]), abs(found[1]))

    def flaw(self, value: ir.Value) -> str:
        """Why a constant cannot be narrow; each is read once."""
        if id(value) not in self.flaws:
            array = constant(value)
            self.flaws[id(value)] = "" if array is None else flaw(array)
        return self.flaws[id(value)]


Rule = Callable[[ir.Node, Slots, Facts], str]


def reason(node: ir.Node, found: Slots, facts: Facts) -> str:
    """Why the node keeps FP32; empty: it need not."""
    rules = (*EVERYWHERE, *(BOUNDED if facts.bounded else ()))
    return next((why for rule in rules if (why := rule(node, found, facts))), "")


def _asked(node: ir.Node, _found: Slots, facts: Facts) -> str:
    names = {node.name, site_name(node), *(v.name for v in (*node.inputs, *node.outputs) if v is not None)}
    if names & facts.beyond:
        return "it left the range of FP16 when it ran on the calibration samples"
    return "asked to stay" if names & facts.keep else ""


def _exact(node: ir.Node, _found: Slots, facts: Facts) -> str:
    """Counts and positions: made of integers, and used as such."""
    for value in (*node.inputs, *node.outputs):
        if value is None or not _from_integers(value):
            continue
        bound = facts.bound(value)
        if bound is None or bound > facts.exact:
            size = "any size" if bound is None else f"up to {bound:g}"
            return f"{value.name} holds integers of {size}, exact only up to {facts.exact}"
    return ""


def _from_integers(value: ir.Value) -> bool:
    maker = value.producer()
    if maker is None or op_key(maker) != "Cast" or dtype(value) != ir.DataType.FLOAT:
        return False
    source = dtype(maker.inputs[0])
    return source is not None and source.is_integer()


def _angle(node: ir.Node, _found: Slots, facts: Facts) -> str:
    if op_key(node) not in ANGLES or node.inputs[0] is None:
        return ""
    bound = facts.bound(node.inputs[0])
    return "" if bound is not None and bound <= LARGEST_ANGLE else "an angle would lose its place"


def _terms(node: ir.Node, _found: Slots, _facts: Facts) -> str:
    if op_key(node) not in SUMS | SQUARES:
        return ""
    count = terms(node)
    if count is not None and count <= MOST_TERMS:
        return ""
    return f"it sums {count or 'an unknown number of'} terms"


def _overflows(_node: ir.Node, found: Slots, facts: Facts) -> str:
    for value in found.values(_node):
        if why := facts.flaw(value):
            return why
        bound = facts.bound(value)
        if bound is not None and bound * SAFETY > FLOAT16_MAX:
            return f"{value.name} reaches {bound:.3g}"
    return ""


def _sum_overflows(node: ir.Node, _found: Slots, facts: Facts) -> str:
    value = node.inputs[0] if node.inputs else None
    if op_key(node) not in SUMS | SQUARES or value is None:
        return ""
    bound, count = facts.bound(value), terms(node)
    if bound is None or count is None:
        return ""
    partial = count * (bound**2 if op_key(node) in SQUARES else bound)
    return f"its sum may reach {partial:.3g} on the way" if partial * SAFETY > FLOAT16_MAX else ""


def _vanishes(node: ir.Node, _found: Slots, facts: Facts) -> str:
    """Numbers near 0 that something is divided by, or whose logarithm or root counts."""
    place = DIVIDED_BY.get(op_key(node))
    value = node.inputs[place] if place is not None else None
    if value is None or tensor(value) is not None:
        return ""
    found = facts.range(value)
    if found is None:
        return ""
    least = min(abs(found[0]), abs(found[1])) if found[0] * found[1] > 0 else 0.0
    return f"{value.name} goes down to {least:.3g}" if 0 < least < SMALLEST_NORMAL else ""


def _unknown(node: ir.Node, _found: Slots, facts: Facts) -> str:
    if op_key(node) not in GROWS and not _is_divided(node):
        return ""
    return "" if facts.bound(node.outputs[0]) is not None else "what it makes may be of any size"


def _is_divided(node: ir.Node) -> bool:
    return op_key(node) == "Div" and tensor(node.inputs[1]) is None


EVERYWHERE: tuple[Rule, ...] = (_asked, _exact, _angle, _terms)
BOUNDED: tuple[Rule, ...] = (_overflows, _sum_overflows, _vanishes, _unknown)


def terms(node: ir.Node) -> int | None:
    """How many numbers a reduction sums into one; None: not known."""
    known = shape(node.inputs[0])
    if known is None:
        return None
    count = 1
    for axis in _axes(node, len(known)):
        size = known[axis]
        if size is None:
            return None
        count *= size
    return count


def _axes(node: ir.Node, rank: int) -> Iterator[int]:
    if op_key(node) == "GlobalAveragePool":
        yield from range(2, rank)
        return
    given = attribute(node, "axes")
    if given is None and len(node.inputs) > 1 and node.inputs[1] is not None:
        array = constant(node.inputs[1])
        given = range(rank) if array is None else array.reshape(-1).tolist()
    yield from (int(axis) % rank for axis in (given if given is not None else range(rank)))


def must_be_exact(node: ir.Node, why: str) -> list[ir.Value]:
    """Inputs of a node whose rounding would change more than numbers: indices, sizes, and large angles.

    Args: why: it keeps FP32.
    """
    given = [value for value in node.inputs if value is not None]
    if op_key(node) == "Cast":
        kind = attribute(node, "to")
        return given if kind is not None and ir.DataType(kind).is_integer() else []
    if op_key(node) == "Resize":
        return given[1:]
    return given if op_key(node) == "Range" or (op_key(node) in ANGLES and why) else []


def makers(values: Iterable[ir.Value]) -> set[int]:
    """Ids of nodes that values are made by, directly or not, as far as the last layer with large weights."""
    found: set[int] = set()
    waiting = list(values)
    while waiting:
        maker = waiting.pop().producer()
        if maker is not None and id(maker) not in found and not _has_weights(maker):
            found.add(id(maker))
            waiting += [value for value in maker.inputs if value is not None]
    return found


def _has_weights(node: ir.Node) -> bool:
    held = (tensor(value) for value in node.inputs)
    return any(t is not None and t.size > SMALL_ELEMENTS for t in held)
