"""Geometry of what conversion did: errors of layers as columns, ranges of values on decades. Pure."""

import math
from dataclasses import dataclass

from burnish_engine.conversion import Conversion, FloatConversion, LayerBits, ValueRange, WeightConversion
from burnish_engine.report import CandidateState, Report
from burnish_optimizer.report.console import size

WIDTH, HEIGHT = 760.0, 200.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 90.0, 14.0, 30.0
WIDEST = 60.0
LOWEST_DECADE, HIGHEST_DECADE = -9, 9
FEW_BITS = 4


@dataclass(frozen=True)
class Line:
    """A line across the picture, and what it stands for. style: grid, or limit."""

    at: float
    text: str
    style: str = "grid"


@dataclass(frozen=True)
class Column:
    """A layer's error. style: few, or more bits."""

    x: float
    y: float
    width: float
    height: float
    style: str
    text: str


@dataclass(frozen=True)
class Dot:
    """A value's largest magnitude. style: narrow, or stayed."""

    x: float
    y: float
    style: str
    text: str


@dataclass(frozen=True)
class ConversionPlot:
    """What one candidate's builder told, and its picture of `width` × `height` user units."""

    recipe: str
    is_open: bool
    story: str
    conversion: Conversion
    columns: tuple[Column, ...] = ()
    dots: tuple[Dot, ...] = ()
    lines: tuple[Line, ...] = ()
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


def conversion_plots(report: Report) -> tuple[ConversionPlot, ...]:
    """One for each candidate whose builder told; that of the winner is open."""
    return tuple(
        conversion_plot(c.recipe, c.conversion, is_open=c.state is CandidateState.SELECTED)
        for c in report.candidates
        if c.conversion is not None
    )


def conversion_plot(recipe: str, told: Conversion, *, is_open: bool = False) -> ConversionPlot:
    """The picture of what was told."""
    if isinstance(told, WeightConversion):
        columns, lines = _columns(told)
        return ConversionPlot(recipe, is_open, _weights_story(told), told, columns=columns, lines=lines)
    dots, lines = _dots(told)
    return ConversionPlot(recipe, is_open, _floats_story(told), told, dots=dots, lines=lines)


def _weights_story(told: WeightConversion) -> str:
    left = sum(one.count for one in told.stayed)
    share = told.bytes_after / max(1, told.bytes_before)
    return (
        f"{_count(told.count, 'layer')} in fewer bits, {left} left as they were; "
        f"{size(told.bytes_before)} → {size(told.bytes_after)} ({share:.2f} ×)"
    )


def _floats_story(told: FloatConversion) -> str:
    left = sum(one.count for one in told.stayed)
    casts = "" if told.casts is None else f", {_count(told.casts, 'cast')} added"
    return f"{_count(told.nodes, 'node')} in {told.precision.value}, {left} left in FP32{casts}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _columns(told: WeightConversion) -> tuple[tuple[Column, ...], tuple[Line, ...]]:
    most = max((layer.error for layer in told.layers), default=0.0) or 1.0
    step = min(WIDEST, (WIDTH - LEFT - RIGHT) / max(1, len(told.layers)))
    columns = tuple(_column(place, layer, step, most) for place, layer in enumerate(told.layers))
    lines = tuple(Line(_upwards(part), f"{most * part:.2g}") for part in (0, 0.5, 1))
    return columns, lines


def _column(place: int, layer: LayerBits, step: float, most: float) -> Column:
    top = _upwards(layer.error / most)
    style = "few" if layer.bits <= FEW_BITS else "more"
    text = f"{layer.name}: {layer.bits} bits, error {layer.error:.3g}"
    x = round(LEFT + place * step, 2)
    return Column(x, top, round(step * 0.8, 2), round(HEIGHT - BOTTOM - top, 1), style, text)


def _dots(told: FloatConversion) -> tuple[tuple[Dot, ...], tuple[Line, ...]]:
    decades = [_decade(one) for one in told.ranges]
    if not decades:
        return (), ()
    limit = math.log10(told.limit) if told.limit else decades[0]
    low, high = math.floor(min(*decades, limit)), math.ceil(max(*decades, limit))
    high = max(high, low + 1)
    step = (WIDTH - LEFT - RIGHT) / len(decades)

    def up(decade: float) -> float:
        return _upwards((decade - low) / (high - low))

    dots = tuple(
        _dot(one, round(LEFT + (place + 0.5) * step, 1), up(decade))
        for place, (one, decade) in enumerate(zip(told.ranges, decades, strict=True))
    )
    every = max(1, (high - low) // 6)
    lines = [Line(up(decade), f"1e{decade}") for decade in range(low, high + 1, every)]
    if told.limit:
        lines.append(Line(up(limit), f"{told.limit:g}", "limit"))
    return dots, tuple(lines)


def _decade(one: ValueRange) -> float:
    furthest = max(abs(one.low), abs(one.high))
    if math.isnan(furthest):
        return HIGHEST_DECADE
    if furthest == 0:
        return LOWEST_DECADE
    return min(max(math.log10(furthest), LOWEST_DECADE), HIGHEST_DECADE)


def _dot(one: ValueRange, x: float, y: float) -> Dot:
    made = "FP32" if one.stayed else "narrow"
    text = f"{one.name}: {one.low:.3g} to {one.high:.3g}, {made}"
    return Dot(x, y, "stayed" if one.stayed else "narrow", text)


def _upwards(share: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share, 1)
