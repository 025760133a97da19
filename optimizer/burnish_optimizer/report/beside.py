"""Figures beside the latency, of the baseline and of what serves, where one of them has the figure. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from burnish_engine.report import Measurement, Report
from burnish_optimizer.report.console import size
from burnish_optimizer.report.words import seconds

ABSENT = "–"


class Row(NamedTuple):
    """One figure of both sides, as people read it."""

    name: str
    baseline: str
    optimized: str


def beside(report: Report) -> tuple[Row, ...]:
    """Loading, first answer, memory, size, energy, and what is served within the goal."""
    found = []
    for name, told in _FIGURES:
        before = told(report.baseline)
        after = told(report.optimized) if report.optimized else ""
        found += [Row(name, before or ABSENT, after or ABSENT)] if before or after else []
    return tuple(found)


def _first(m: Measurement) -> str:
    return "" if m.first_inference_seconds is None else f"{seconds(m.first_inference_seconds)} s"


def _private(m: Measurement) -> str:
    return "" if m.private_memory_bytes is None else size(m.private_memory_bytes)


def _energy(m: Measurement) -> str:
    return "" if m.energy is None else f"{m.energy.joules_per_request:.3g} J ({', '.join(m.energy.domains)})"


def _sustained(m: Measurement) -> str:
    if m.sustained is None:
        return ""
    rate, limit = m.sustained.samples_per_second.value, m.sustained.limit_seconds * 1000
    return f"{rate:.3g} /s with p{m.sustained.percentile:g} within {limit:.3g} ms"


_FIGURES: tuple[tuple[str, Callable[[Measurement], str]], ...] = (
    ("load", lambda m: f"{seconds(m.load_seconds)} s"),
    ("first answer after loading", _first),
    ("peak memory", lambda m: size(m.peak_memory_bytes)),
    ("of it private", _private),
    ("size", lambda m: size(m.size_bytes)),
    ("energy of a request", _energy),
    ("served, arrivals by the clock", _sustained),
)
