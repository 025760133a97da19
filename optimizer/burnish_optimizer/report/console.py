"""The result on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from burnish_engine.report import CandidateReport, CandidateState, Estimate, Measurement, Report

STYLES = {
    CandidateState.SELECTED: "bold green",
    CandidateState.SLOWER: "yellow",
    CandidateState.REJECTED: "red",
    CandidateState.FAILED: "red",
    CandidateState.SKIPPED: "dim",
    CandidateState.UNMEASURED: "dim",
}
COLUMNS = ("p50 ms", "p99 ms", "per second", "× baseline")


def render_report(report: Report) -> RenderableType:
    """A headline and a table of the baseline and every candidate."""
    return Group(headline(report), candidate_table(report))


def headline(report: Report) -> Text:
    """What serves, in one line."""
    if report.selected.recipe == "baseline":
        return Text("The baseline wins: nothing beat the source under the gates.", style="bold")
    return Text.assemble(
        (report.selected.recipe, "bold green"),
        f": {report.speedup:.2f} × as fast as the baseline, ",
        f"{report.accuracy.metric.value} {report.accuracy.value:.4f}",
        f" (reference {report.accuracy.reference:.4f})",
    )


def candidate_table(report: Report) -> Table:
    """One row a candidate, the baseline first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recipe", no_wrap=True)
    table.add_column("precision", no_wrap=True)
    for name in (*COLUMNS, report.accuracy.metric.value, "memory", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("why", overflow="fold")
    reference = f"{report.accuracy.reference:.4f}"
    table.add_row("baseline", "FP32", *_figures(report.baseline, "1.00", reference), "", "")
    for candidate in report.candidates:
        table.add_row(
            candidate.recipe,
            candidate.precision.value,
            *_figures(candidate.measurement, *_judged(candidate)),
            Text(candidate.state.value, style=STYLES[candidate.state]),
            candidate.reason,
        )
    return table


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


def _judged(candidate: CandidateReport) -> tuple[str, str]:
    speedup, accuracy = candidate.speedup, candidate.accuracy
    return f"{speedup.value:.2f}" if speedup else "", f"{accuracy.value:.4f}" if accuracy else ""


def _figures(found: Measurement | None, speedup: str, judged: str) -> tuple[str, ...]:
    if found is None:
        return ("", "", "", speedup, judged, "", "")
    return (
        milliseconds(found.latency_seconds.p50),
        milliseconds(found.latency_seconds.p99),
        f"{found.throughput_per_second.value:.1f}",
        speedup,
        judged,
        size(found.peak_memory_bytes),
        size(found.size_bytes),
    )
