"""An explanation on a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from burnish_engine.report import Estimate
from burnish_optimizer.report.budgets import SAMPLES, Budget
from burnish_optimizer.report.console import STYLES
from burnish_optimizer.report.explain import BASELINE, Explanation, Lost


def render_explanation(found: Explanation) -> RenderableType:
    """Why it won; what the others lost by; what would let a faster one win; what was not tried."""
    return Group(*_parts(found))


def _parts(found: Explanation) -> Iterator[RenderableType]:
    yield Text.assemble((found.selected, "bold green"), f" serves: {found.why}")
    yield from (Text(note, style="dim") for note in found.notes)
    yield from _section("What the others lost by")
    if found.lost:
        yield Text(f"× {_beside(found)}'s: above 1 is worse; ≈: from a first look alone", style="dim")
        yield _lost(found)
        yield Text()
        yield Text("\n".join(f"{one.recipe}: {one.reason}" for one in found.lost))
    else:
        yield Text("nothing else was tried")
    yield from _section("The accuracy budget of the next faster one")
    yield from _budgets(found)
    if found.not_tried:
        yield from _section("Not tried")
        yield Text("\n".join(f"{one.recipe}: {one.reason}" for one in found.not_tried))


def _section(title: str) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, style="bold")


def _lost(found: Explanation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recipe", no_wrap=True)
    for name in ("time ×", "memory ×", "size ×"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("excluded by", overflow="fold")
    for one in found.lost:
        excluded = Text(one.excluded_by, style=STYLES[one.state])
        table.add_row(Text(one.recipe), _time(one), _ratio(one.memory), _ratio(one.size), excluded)
    return table


def _budgets(found: Explanation) -> Iterator[RenderableType]:
    if not found.budgets:
        yield Text("none: no candidate that was measured faster failed by the accuracy gate alone")
    for budget in found.budgets:
        yield Text.assemble(
            (_option(budget), "bold"), f" would let {budget.recipe} through: {_speed(budget, found)}"
        )
        if budget.needs_samples:
            samples = f"  with about {budget.needs_samples} samples a tighter limit may do"
            yield Text(samples, style="dim")


def _option(budget: Budget) -> str:
    if budget.option == SAMPLES:
        return f"about {budget.value:.0f} evaluation samples"
    return f"--{budget.option.replace('_', '-')} {budget.value:g}"


def _speed(budget: Budget, found: Explanation) -> str:
    speedup = budget.speedup
    interval = f"{speedup.low:.2f} to {speedup.high:.2f}"
    told = f"{speedup.value:.2f} × as fast as the baseline ({interval})"
    if found.selected == BASELINE:
        return told
    return f"{told}, {budget.faster_than_winner:.2f} × as fast as {found.selected}"


def _beside(found: Explanation) -> str:
    return "the baseline" if found.selected == BASELINE else found.selected


def _time(one: Lost) -> str:
    if one.time is not None:
        return _interval(one.time)
    return "" if one.first_look is None else f"≈ {one.first_look:.2f}"


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} ({estimate.low:.2f}–{estimate.high:.2f})"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
