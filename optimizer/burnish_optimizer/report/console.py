"""The result on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from burnish_engine.report import CandidateReport, CandidateState, Estimate, Measurement, Report
from burnish_optimizer.report.limits import broken_limits
from burnish_optimizer.report.words import NO_CALIBRATION

STYLES = {
    CandidateState.SELECTED: "bold green",
    CandidateState.SLOWER: "yellow",
    CandidateState.REJECTED: "red",
    CandidateState.FAILED: "red",
    CandidateState.SKIPPED: "dim",
    CandidateState.UNMEASURED: "dim",
}
NOTHING_ELSE = "Nothing else that passed the gates keeps this limit and is better."
COLUMNS = ("p50 ms", "p99 ms", "per s", "× base")


def render_report(report: Report) -> RenderableType:
    """A headline, a table that fits 80 columns, and why each candidate won or lost."""
    return Group(
        headline(report), *warnings(report), Text(), candidate_table(report), Text(), reasons(report)
    )


def headline(report: Report) -> Text:
    """What serves, in one line."""
    if report.selected.recipe == "baseline":
        return Text("The baseline wins: nothing beat the source under the gates.", style="bold")
    speedup = report.speedup
    how = "built, not measured" if speedup is None else f"{speedup:.2f} × as fast as the baseline"
    return Text.assemble(
        (report.selected.recipe, "bold green"),
        f": {how}, ",
        f"{report.accuracy.metric.value} {report.accuracy.value:.4f}",
        f" (reference {report.accuracy.reference:.4f})",
    )


def warnings(report: Report) -> tuple[Text, ...]:
    """What the run was not given and what that cost it; limits that what serves breaks."""
    broken = broken_limits(report)
    told = [] if report.calibration else [NO_CALIBRATION]
    told += [f"the source serves, and {broken}. {NOTHING_ELSE}"] if broken else []
    return tuple(Text(f"WARNING: {text}", style="bold yellow") for text in told)


def candidate_table(report: Report) -> Table:
    """One row a candidate, the baseline first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recipe", no_wrap=True)
    for name in (*COLUMNS, report.accuracy.metric.value, "size"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_row("baseline", *_figures(report.baseline, "1.00", f"{report.accuracy.reference:.4f}"))
    for candidate in report.candidates:
        state = Text(candidate.state.value, style=STYLES[candidate.state])
        table.add_row(candidate.recipe, *_figures(candidate.measurement, *_judged(candidate)), state)
    return table


def reasons(report: Report) -> Text:
    """One line a candidate: what decided, and what runs elsewhere than asked."""
    return Text("\n".join(_reason(candidate) for candidate in report.candidates), style="dim")


def milliseconds(estimate: Estimate) -> str:
    """Seconds as milliseconds with three significant digits."""
    return f"{estimate.value * 1000:#.3g}"


def size(count: int) -> str:
    """Bytes for people, in binary units."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _reason(candidate: CandidateReport) -> str:
    found = candidate.coverage
    told = f" (runs {found})" if found and found.elsewhere else ""
    return f"{candidate.recipe}: {candidate.reason}{told}"


def _judged(candidate: CandidateReport) -> tuple[str, str]:
    speedup, accuracy = candidate.speedup, candidate.accuracy
    return f"{speedup.value:.2f}" if speedup else "", f"{accuracy.value:.4f}" if accuracy else ""


def _figures(found: Measurement | None, speedup: str, judged: str) -> tuple[str, ...]:
    if found is None:
        return ("", "", "", speedup, judged, "")
    return (
        milliseconds(found.latency_seconds.p50),
        milliseconds(found.latency_seconds.p99),
        f"{found.throughput_per_second.value:.1f}",
        speedup,
        judged,
        size(found.size_bytes),
    )
