"""Twins: nodes that another operator set defines anew. Of those that look alike three are tried.

Alike are nodes of one operator, with the same attributes and small constants, that take values that look
alike: `Softmax<axis = 1>` of opset 12 is that of 13 on [N, C], and on [N, C, 1, 1], and nowhere else.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from burnish_optimizer.gates.cut import Cut
from burnish_optimizer.gates.kin import SMALL_ELEMENTS, kind
from burnish_optimizer.gates.view import View

Looks = Mapping[str, Hashable]


def few_of_a_kind(
    pending: list[Cut], sides: tuple[View, View], looks_of: Callable[[list[str]], Looks]
) -> list[Cut]:
    """All but twins, and of twins that look alike the first, middle and last.

    Args: looks_of: what named values of the one side, which are no constants, look like.
    """
    twins = [cut for cut in pending if cut.region.twin]
    if not twins:
        return pending
    names = {name: None for cut in twins for name in _inputs(cut, sides[0])}
    constants = sides[0].constants
    looks = {name: look(constants[name]) for name in names if name in constants}
    looks |= looks_of([name for name in names if name not in constants])
    kinds: dict[Hashable, list[Cut]] = {}
    for cut in twins:
        kinds.setdefault((kind(cut, *sides), _takes(cut, sides[0], looks)), []).append(cut)
    few = {c.region for same in kinds.values() for c in (same[0], same[len(same) // 2], same[-1])}
    return [cut for cut in pending if not cut.region.twin or cut.region in few]


def look(value: Any) -> Hashable:
    """What a definition may turn on: element type, sides, small integers; None for what is no tensor."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return None
    whole = isinstance(value, np.ndarray) and value.dtype.kind in "iub" and value.size <= SMALL_ELEMENTS
    return str(value.dtype), few_sides(value.shape), value.tobytes() if whole else b""


def few_sides(shape: Iterable[Any]) -> tuple[int, ...]:
    """Sides of 0, of 1, and others: a kind for each size would be a kind for each node."""
    return tuple(min(int(side), 2) for side in shape)


def _takes(cut: Cut, side: View, looks: Looks) -> Hashable:
    """What goes in looks like; a cut of which that is not known is like no other."""
    told = tuple(looks.get(name) for name in _inputs(cut, side))
    return cut if None in told else told


def _inputs(cut: Cut, side: View) -> list[str]:
    return [name for key in cut.region.before for name in side.inputs[key]]
