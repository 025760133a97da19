"""Geometry of the op counts: one row an op type, its count before and after as a pair of bars. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

WIDTH = 760.0
LABEL_WIDTH = 210.0
VALUE_WIDTH = 110.0
ROW_HEIGHT = 30.0
BAR_HEIGHT = 10.0
MOST_ROWS = 24
MAX_LABEL = 28


@dataclass(frozen=True)
class Pair:
    """One op type in user units of the picture: where its bars lie, and how long each is."""

    name: str
    label: str
    y: float
    before: int
    after: int
    before_width: float
    after_width: float

    @property
    def style(self) -> str:
        """fewer, more or same: the colour of the lower bar."""
        return "same" if self.after == self.before else "fewer" if self.after < self.before else "more"


@dataclass(frozen=True)
class OpBars:
    """A picture of `width` × `height` user units. `left_out`: op types without a row."""

    pairs: tuple[Pair, ...]
    left_out: int
    height: float
    width: float = WIDTH
    x: float = LABEL_WIDTH
    bar_height: float = BAR_HEIGHT


def op_bars(before: Mapping[str, int], after: Mapping[str, int]) -> OpBars:
    """The op types that changed, most nodes first, then the others while there is room."""
    names = sorted({*before, *after}, key=lambda op: _rank(op, before, after))
    shown = names[:MOST_ROWS]
    most = max([*before.values(), *after.values()], default=0) or 1
    pairs = tuple(_pair(i, op, before.get(op, 0), after.get(op, 0), most) for i, op in enumerate(shown))
    return OpBars(pairs, len(names) - len(shown), ROW_HEIGHT * len(pairs) + 8)


def shortened(name: str, most: int = MAX_LABEL) -> str:
    """A name that fits its place: the end of it, which tells op types of a domain apart."""
    return name if len(name) <= most else "…" + name[1 - most :]


def _rank(op: str, before: Mapping[str, int], after: Mapping[str, int]) -> tuple[bool, int, str]:
    had, has = before.get(op, 0), after.get(op, 0)
    return had == has, -max(had, has), op


def _pair(index: int, op: str, before: int, after: int, most: int) -> Pair:
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    y = ROW_HEIGHT * index + 8
    widths = (round(room * count / most, 1) for count in (before, after))
    return Pair(op, shortened(op), y, before, after, *widths)
