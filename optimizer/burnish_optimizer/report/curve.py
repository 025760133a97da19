"""Geometry of the curve that tells what precision buys: time (or bytes) given up against loss. Pure.

Both axes are what was predicted from the parts, one part at a time; what was tried is marked with what the
accuracy gate said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from burnish_engine.report import CurvePoint, PrecisionCurve
from burnish_optimizer.search.price import SPEED

WIDTH, HEIGHT = 760.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 20.0, 14.0, 40.0
LEAST_LOSS = 1e-9


@dataclass(frozen=True)
class Mark:
    """A mixture that was tried. style: passed or failed."""

    x: float
    y: float
    style: str
    text: str


@dataclass(frozen=True)
class Tick:
    """A line of the grid and what it stands for."""

    at: float
    text: str


@dataclass(frozen=True)
class CurvePlot:
    """A picture of `width` × `height` user units. given_up: the horizontal axis' unit; each: of prose."""

    name: str
    given_up: str
    each: str
    line: str
    marks: tuple[Mark, ...]
    decades: tuple[Tick, ...]
    amounts: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM
    top: float = TOP


def curve_plot(curve: PrecisionCurve) -> CurvePlot:
    """To the right what the objective gives up, upwards loss (noise over signal, in decades)."""
    is_time = curve.minimize in SPEED
    scale = 1e3 if is_time else 1 / (1 << 20)

    def given_up(point: CurvePoint) -> float:
        return scale * (point.seconds_given_up if is_time else point.bytes_given_up or 0)

    longest = max(map(given_up, curve.points), default=0.0) or 1e-9
    logs = [math.log10(max(p.loss, LEAST_LOSS)) for p in curve.points]
    low, high = math.floor(min(logs)), max(math.ceil(max(logs)), math.floor(min(logs)) + 1)

    def place(point: CurvePoint) -> tuple[float, float]:
        across = given_up(point) / longest
        up = (math.log10(max(point.loss, LEAST_LOSS)) - low) / (high - low)
        return _across(across), _upwards(up)

    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, curve.points))
    marks = tuple(_mark(point, *place(point)) for point in curve.points if point.passed is not None)
    decades = tuple(
        Tick(_upwards((decade - low) / (high - low)), f"1e{decade}") for decade in range(low, high + 1)
    )
    amounts = tuple(Tick(_across(share), f"{longest * share:.3g}") for share in (0, 0.25, 0.5, 0.75, 1))
    words = ("milliseconds a request", "second") if is_time else ("MiB of files", "byte")
    return CurvePlot(curve.recipe, *words, corners, marks, decades, amounts)


def curve_plots(curves: Sequence[PrecisionCurve]) -> tuple[CurvePlot, ...]:
    """One picture for each curve that has points."""
    return tuple(curve_plot(curve) for curve in curves if curve.points)


def _mark(point: CurvePoint, x: float, y: float) -> Mark:
    drop = "" if point.drop is None else f", drop {point.drop:.4g}"
    said = "passed" if point.passed else "failed"
    return Mark(round(x, 1), round(y, 1), said, f"{point.parts} parts given back: {said}{drop}")


def _across(share: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)


def _upwards(share: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share, 1)
