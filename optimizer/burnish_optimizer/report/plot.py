"""Geometry of the latency plot: numbers in, coordinates out. Pure."""

from dataclasses import dataclass

from burnish_engine.report import Measurement, Report

WIDTH = 760.0
LABEL_WIDTH = 150.0
VALUE_WIDTH = 110.0
ROW_HEIGHT = 30.0
BAR_HEIGHT = 16.0


@dataclass(frozen=True)
class Bar:
    """One row in user units of the picture: p50 as a bar, its interval as a whisker, p99 as a tick."""

    name: str
    style: str
    y: float
    x: float
    width: float
    low: float
    high: float
    p99: float
    text: str

    @property
    def middle(self) -> float:
        """The row's middle line."""
        return self.y + BAR_HEIGHT / 2


@dataclass(frozen=True)
class Plot:
    """A picture of `width` × `height` user units."""

    bars: tuple[Bar, ...]
    width: float
    height: float
    bar_height: float = BAR_HEIGHT


def latency_plot(report: Report) -> Plot:
    """Baseline and every measured candidate. The scale ends at the largest p99 that fits thrice the p50s."""
    rows: list[tuple[str, str, Measurement]] = [("baseline", "baseline", report.baseline)]
    for candidate in report.candidates:
        if candidate.measurement:
            style = "selected" if candidate.recipe == report.selected.recipe else "other"
            rows.append((candidate.recipe, style, candidate.measurement))
    slowest_p50 = max(found.latency_seconds.p50.high for _, _, found in rows)
    slowest_p99 = max(found.latency_seconds.p99.value for _, _, found in rows)
    most = max(slowest_p50, min(slowest_p99, 3 * slowest_p50))
    bars = tuple(_bar(index, *row, most) for index, row in enumerate(rows))
    return Plot(bars, WIDTH, ROW_HEIGHT * len(bars) + 8)


def _bar(index: int, name: str, style: str, found: Measurement, most: float) -> Bar:
    span = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    p50 = found.latency_seconds.p50

    def at(seconds: float) -> float:
        return round(LABEL_WIDTH + span * min(seconds / most, 1.0), 1)

    return Bar(
        name=name,
        style=style,
        y=ROW_HEIGHT * index + 8,
        x=LABEL_WIDTH,
        width=round(at(p50.value) - LABEL_WIDTH, 1),
        low=at(p50.low),
        high=at(p50.high),
        p99=at(found.latency_seconds.p99.value),
        text=f"{p50.value * 1000:#.3g} ms",
    )
