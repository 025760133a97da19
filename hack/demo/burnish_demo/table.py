"""The table: a column a target, a row a figure, before and after."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rich.markup import escape
from rich.table import Table

from burnish_demo.compare import Comparison
from burnish_demo.prometheus import Figures, Labels

ARROW = " → "
ABSENT = "–"


@dataclass(frozen=True)
class Column:
    """All that is known of one target. `figures` and `engine` come from Prometheus.

    answers: the Service's answers beside the source's.   served: seconds by quantile, as pods answered.
    """

    target: str
    figures: Figures
    engine: Labels = field(default_factory=dict)
    answers: Comparison | None = None
    requests: int = 0
    served: Mapping[float, float] = field(default_factory=dict)


def results(model: str, columns: list[Column]) -> Table:
    """What a person came for."""
    table = Table(title=f"[bold]{escape(model)}[/]: baseline → optimized, per target", title_justify="left")
    table.add_column("", style="dim")
    for column in columns:
        table.add_column(escape(column.target), justify="right", overflow="fold")
    for title, cell in _rows(columns):
        table.add_row(title, *(cell(column) for column in columns))
    return table


def _rows(columns: list[Column]) -> list[tuple[str, Callable[[Column], str]]]:
    metric = next((c.figures.metric for c in columns if c.figures.metric), "accuracy")
    rows: list[tuple[str, Callable[[Column], str]]] = [
        ("engine", engine),
        ("latency p50", lambda c: latency(c.figures, "0.5")),
        ("latency p99", lambda c: latency(c.figures, "0.99")),
        ("throughput", lambda c: throughput(c.figures)),
        (f"{metric} (source → engine)", lambda c: accuracy(c.figures)),
        ("accelerators, same throughput", lambda c: accelerators(c.figures)),
        ("saved per hour", lambda c: savings(c.figures)),
        ("through the Service: latency", served),
        ("through the Service: answers", answers),
    ]
    priced = any(c.figures.get("savings_per_hour") is not None for c in columns)
    return [row for row in rows if priced or row[0] != "saved per hour"]


def engine(column: Column) -> str:
    """Backend and precision."""
    return escape(f"{column.engine.get('backend', ABSENT)} {column.engine.get('precision', '')}".strip())


def latency(figures: Figures, quantile: str) -> str:
    """Milliseconds, and how many times faster."""
    before = figures.get("latency_seconds", "baseline", quantile)
    after = figures.get("latency_seconds", "optimized", quantile)
    shown = _pair(before, after, lambda seconds: f"{seconds * 1e3:.2f}")
    return shown + " ms" + _ratio(before, after)


def throughput(figures: Figures) -> str:
    """Samples a second, and how many times more."""
    before = figures.get("throughput_per_second", "baseline")
    after = figures.get("throughput_per_second", "optimized")
    return _pair(before, after, lambda rate: f"{rate:.0f}") + " /s" + _ratio(after, before)


def accuracy(figures: Figures) -> str:
    """The judged metric of the source and of the engine."""
    before = figures.get("accuracy_ratio", "reference")
    return _pair(before, figures.get("accuracy_ratio", "optimized"), lambda value: f"{value:.4f}")


def accelerators(figures: Figures) -> str:
    """How many are needed for the throughput that the target offers now."""
    before = figures.get("accelerators_needed", "baseline")
    return _pair(before, figures.get("accelerators_needed", "optimized"), lambda count: f"{count:.2f}")


def savings(figures: Figures) -> str:
    """Money, where the class has a price."""
    amount = figures.get("savings_per_hour")
    return ABSENT if amount is None else f"{amount:.2f} {figures.currency}"


def served(column: Column) -> str:
    """Percentiles of what the pods answered, from their own histograms."""
    if not column.served:
        return ABSENT
    parts = [f"p{quantile * 100:g} {seconds * 1e3:.1f} ms" for quantile, seconds in column.served.items()]
    return f"{', '.join(parts)} ({column.requests} requests)"


def answers(column: Column) -> str:
    """How the answers that came through the Service compare with the source's."""
    found = column.answers
    if found is None:
        return ABSENT
    if found.agreement is None:
        return f"cosine {found.cosine:.5f}, max |Δ| {found.max_difference:.3g}"
    same = round(found.agreement * found.samples)
    return f"{same} of {found.samples} as the source, max |Δ| {found.max_difference:.3g}"


def _pair(before: float | None, after: float | None, show: Callable[[float], str]) -> str:
    return ARROW.join(ABSENT if value is None else show(value) for value in (before, after))


def _ratio(above: float | None, below: float | None) -> str:
    if not above or not below:
        return ""
    ratio = above / below
    return f"  [{'green' if ratio > 1.005 else 'yellow'}]{ratio:.2f}×[/]"
