"""Geometry of fused regions: what a rule took out, and what it put in, as two small chains. Pure.

`Add → Clip → Div → Mul  ×94   ⇒   HardSwish  ×94`. Counts are of all applications of the rule together.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from burnish_engine.report import PassReport, RuleReport
from burnish_optimizer.report.bars import shortened

CHARACTER = 7.4
PADDING = 20.0
GAP = 20.0
ARROW = 96.0
BOX_HEIGHT = 26.0
LINE_HEIGHT = 36.0
WIDTH = 900.0
MAX_LABEL = 30
MAX_BOXES = 12


@dataclass(frozen=True)
class Box:
    """One op type of a chain. `linked`: an edge leads here from the box before, in the same line."""

    text: str
    title: str
    x: float
    y: float
    width: float
    style: str
    linked: bool


@dataclass(frozen=True)
class Chain:
    """One rule's picture: boxes taken out, an arrow, boxes put in; `height` user units high."""

    owner: str
    rule: str
    caption: str
    boxes: tuple[Box, ...]
    arrow_x: float
    arrow_y: float
    height: float
    width: float = WIDTH
    box_height: float = BOX_HEIGHT
    arrow: float = ARROW


def fused_regions(passes: Iterable[PassReport]) -> tuple[Chain, ...]:
    """The most frequent change of every pass that was kept, in the order of the passes."""
    kept = [(p.name, max(p.changes, key=lambda c: c.changes)) for p in passes if p.applied and p.changes]
    nets = [(name, net(change)) for name, change in kept]
    return tuple(chain(name, change) for name, change in nets if change.removed or change.added)


def net(change: RuleReport) -> RuleReport:
    """Without what a rule only wrote anew: an upgrade of all 300 nodes that adds a Reshape adds a Reshape.

    A fusion into one of its own operators keeps it on both sides: `Conv, Relu → FusedConv` and
    `Conv, BatchNormalization → Conv` are what a reader looks for.
    """
    if change.changes > 1 or len(change.removed) <= MAX_BOXES:
        return change
    removed, added = Counter(change.removed), Counter(change.added)
    return change.model_copy(update={"removed": dict(removed - added), "added": dict(added - removed)})


def chain(owner: str, change: RuleReport) -> Chain:
    """Lay out one rule: lines break where the picture ends."""
    line = _Line()
    for label, title in _labels(change.removed, change.changes):
        line.put(label, title, "removed")
    arrow_x, arrow_y = line.arrow()
    for label, title in _labels(change.added, change.changes) or [("nothing", "nothing takes its place")]:
        line.put(label, title, "added" if change.added else "gone")
    times = "once" if change.changes == 1 else f"× {change.changes}"
    return Chain(owner, change.rule, times, tuple(line.boxes), arrow_x, arrow_y, line.y + LINE_HEIGHT)


def _labels(ops: Mapping[str, int], changes: int) -> list[tuple[str, str]]:
    """One label an op type: `Add`, or `Mul ×2` where one application takes two."""
    names = list(ops)[:MAX_BOXES]
    labels = [(_label(op, ops[op], changes), f"{op}: {ops[op]} in all") for op in names]
    rest = len(ops) - len(names)
    return [*labels, (f"+ {rest} more", ", ".join(list(ops)[MAX_BOXES:]))] if rest else labels


def _label(op: str, count: int, changes: int) -> str:
    """Whole numbers for each application; where applications differ, the sum of all."""
    each, left = divmod(count, max(changes, 1))
    name = shortened(op, MAX_LABEL)
    if left:
        return f"{name} ({count} in all)"
    return name if each == 1 else f"{name} ×{each}"


class _Line:
    """A pen that writes boxes from left to right, and goes on below where the picture ends."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.x, self.y, self._linked = 0.0, 5.0, False

    def put(self, label: str, title: str, style: str) -> None:
        width = round(len(label) * CHARACTER + PADDING, 1)
        if self.x and self.x + width > WIDTH:
            self._new_line()
        self.boxes.append(Box(label, title, self.x, self.y, width, style, self._linked))
        self.x, self._linked = round(self.x + width + GAP, 1), True

    def arrow(self) -> tuple[float, float]:
        if self.x + ARROW > WIDTH - 120:
            self._new_line()
        place = (self.x, self.y + BOX_HEIGHT / 2)
        self.x, self._linked = self.x + ARROW, False
        return place

    def _new_line(self) -> None:
        self.x, self.y, self._linked = 0.0, self.y + LINE_HEIGHT, False
