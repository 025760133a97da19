"""Geometry of the speed-up plot: numbers in, coordinates out. Pure.

What is drawn is each candidate's speed-up against the baseline that was measured in turns with it:
seconds that were taken at different times are not to be put beside each other.
"""

from dataclasses import dataclass

from burnish_engine.report import Estimate, Report

WIDTH = 760.0
LABEL_WIDTH = 150.0
VALUE_WIDTH = 110.0
ROW_HEIGHT = 30.0
BAR_HEIGHT = 16.0


@dataclass(frozen=True)
class Bar:
    """One row in user units of the picture: the speed-up as a bar, its interval as a whisker."""

    name: str
    style: str
    y: float
    x: float
    width: float
    low: float
    high: float
    text: str

    @property
    def middle(self) -> float:
        """The row's middle line."""
        return self.y + BAR_HEIGHT / 2


@dataclass(frozen=True)
class Plot:
    """A picture of `width` × `height` user units; at `one` a candidate is as fast as the baseline."""

    bars: tuple[Bar, ...]
    one: float
    width: float
    height: float
    bar_height: float = BAR_HEIGHT


def speedup_plot(report: Report) -> Plot:
    """The baseline (1 by definition) and every candidate that was measured in turns with it."""
    rows = [("baseline", "baseline", Estimate(value=1.0, low=1.0, high=1.0))]
    for candidate in report.candidates:
        if candidate.speedup:
            style = "selected" if candidate.recipe == report.selected.recipe else "other"
            rows.append((candidate.recipe, style, candidate.speedup))
    most = max(found.high for _, _, found in rows)
    bars = tuple(_bar(index, *row, most) for index, row in enumerate(rows))
    return Plot(bars, _at(1.0, most), WIDTH, ROW_HEIGHT * len(bars) + 8)


def _at(speedup: float, most: float) -> float:
    return round(LABEL_WIDTH + (WIDTH - LABEL_WIDTH - VALUE_WIDTH) * speedup / most, 1)


def _bar(index: int, name: str, style: str, found: Estimate, most: float) -> Bar:
    return Bar(
        name=name,
        style=style,
        y=ROW_HEIGHT * index + 8,
        x=LABEL_WIDTH,
        width=round(_at(found.value, most) - LABEL_WIDTH, 1),
        low=_at(found.low, most),
        high=_at(found.high, most),
        text=f"{found.value:.2f} ×",
    )
