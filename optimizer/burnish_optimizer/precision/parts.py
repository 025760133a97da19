"""Parts of a model that get their precision together. Pure."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from burnish_engine.base import Record
from burnish_engine.report import CurvePoint


class Part(Record):
    """Neighbouring layers. seconds_saved: by computing them in the lower precision, per request."""

    names: tuple[str, ...]
    seconds_saved: float


class Sensitivity(Record):
    """A part and what its lower precision costs.

    loss: noise power over signal power at the outputs (the worst output), this part alone in the lower
    precision. Noise of parts is independent enough that their losses add.
    """

    part: Part
    loss: float


def rows(layers: Iterable[tuple[str, bool]]) -> tuple[tuple[str, ...], ...]:
    """Layers in rows: each row one weighted layer and those that follow it, up to the next one.

    Args: layers: names in the order of computing, and whether each is weighted.
    """
    found: list[list[str]] = [[]]
    has_weighted = False
    for name, is_weighted in layers:
        if is_weighted and has_weighted:
            found.append([])
        has_weighted = has_weighted or is_weighted
        found[-1].append(name)
    return tuple(tuple(row) for row in found if row)


def merged(parts: Sequence[Part], most: int) -> tuple[Part, ...]:
    """At most so many parts: those two neighbours that save least together become one, again and again."""
    found = list(parts)
    while len(found) > max(1, most):
        sums = [a.seconds_saved + b.seconds_saved for a, b in pairwise(found)]
        place = sums.index(min(sums))
        joined = Part(names=(*found[place].names, *found[place + 1].names), seconds_saved=sums[place])
        found[place : place + 2] = [joined]
    return tuple(found)


def give_back_order(found: Sequence[Sensitivity]) -> tuple[Sensitivity, ...]:
    """The order in which precision is given back: most loss removed for each second given up comes first.

    What saves no time is given back before everything else: there is nothing to lose.
    """

    def worth(one: Sensitivity) -> float:
        seconds = one.part.seconds_saved
        return float("inf") if seconds <= 0 else one.loss / seconds

    return tuple(sorted(found, key=worth, reverse=True))


def curve(ordered: Sequence[Sensitivity]) -> tuple[CurvePoint, ...]:
    """Loss against time for every number of parts given back, none first."""
    loss, seconds = sum(one.loss for one in ordered), 0.0
    points = [CurvePoint(parts=0, loss=loss, seconds_given_up=0.0)]
    for count, one in enumerate(ordered, start=1):
        loss, seconds = max(0.0, loss - one.loss), seconds + max(0.0, one.part.seconds_saved)
        points.append(CurvePoint(parts=count, loss=loss, seconds_given_up=seconds))
    return tuple(points)
