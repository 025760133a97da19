"""Parts of a model that get their precision together. Pure."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from burnish_engine.base import Record
from burnish_engine.report import CurvePoint


class Part(Record):
    """Neighbouring layers. seconds_saved: by computing them in the lower precision, per request.

    bytes_saved: of the model's files, by holding them in the lower precision.
    """

    names: tuple[str, ...]
    seconds_saved: float
    bytes_saved: int = 0


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
    """At most so many parts: those two neighbours that save least together become one, again and again.

    Of those that save as little the two with the fewest layers: where nothing is saved parts stay alike.
    """
    found = list(parts)
    while len(found) > max(1, most):
        joined = [_joined(a, b) for a, b in pairwise(found)]
        place = min(range(len(joined)), key=lambda i: (joined[i].seconds_saved, len(joined[i].names)))
        found[place : place + 2] = [joined[place]]
    return tuple(found)


def _joined(a: Part, b: Part) -> Part:
    return Part(
        names=(*a.names, *b.names),
        seconds_saved=a.seconds_saved + b.seconds_saved,
        bytes_saved=a.bytes_saved + b.bytes_saved,
    )


def give_back_order(found: Sequence[Sensitivity], saved: Callable[[Part], float]) -> tuple[Sensitivity, ...]:
    """The order in which precision is given back: most loss removed for what is given up comes first.

    What saves nothing is given back before everything else, the largest loss first: there is nothing to lose.
    Args: saved: by a part's lower precision, in the unit of the objective.
    """

    def worth(one: Sensitivity) -> tuple[bool, float]:
        given_up = saved(one.part)
        return given_up <= 0, one.loss if given_up <= 0 else one.loss / given_up

    return tuple(sorted(found, key=worth, reverse=True))


def curve(ordered: Sequence[Sensitivity]) -> tuple[CurvePoint, ...]:
    """Loss against time and bytes for every number of parts given back, none first."""
    loss, seconds, size = sum(one.loss for one in ordered), 0.0, 0
    points = [CurvePoint(parts=0, loss=loss, seconds_given_up=0.0, bytes_given_up=0)]
    for count, one in enumerate(ordered, start=1):
        loss, seconds = max(0.0, loss - one.loss), seconds + max(0.0, one.part.seconds_saved)
        size += max(0, one.part.bytes_saved)
        points.append(CurvePoint(parts=count, loss=loss, seconds_given_up=seconds, bytes_given_up=size))
    return tuple(points)
