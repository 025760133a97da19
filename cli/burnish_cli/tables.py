"""What a report looks like on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from burnish_cli.output import size
from burnish_engine.report import CandidateReport, CandidateState, Estimate, Measurement, Report

_STYLES = {
    CandidateState.SELECTED: "bold green",
    CandidateState.SLOWER: "default",
    CandidateState.REJECTED: "yellow",
    CandidateState.FAILED: "red",
    CandidateState.SKIPPED: "dim",
    CandidateState.UNMEASURED: "dim",
}


def report_table(report: Report) -> RenderableType:
    """Headline, then a row for the baseline and one for every recipe that was tried."""
    table = Table(title=None, header_style="bold", expand=False)
    for name in ("recipe", "precision"):
        table.add_column(name)
    for name in ("p50 ms", "p99 ms", "per second", "× baseline", report.accuracy.metric, "size"):
        table.add_column(name, justify="right")
    table.add_column("result")
    table.add_row(*_baseline(report), Text("what the source does today"), style="bold")
    for candidate in report.candidates:
        table.add_row(*_row(candidate, report), style=_STYLES[candidate.state])
    return Group(headline(report), table)


def headline(report: Report) -> Text:
    """One sentence: what won, by how much, at what cost in answers."""
    chosen = report.selected
    if chosen.recipe == "baseline":
        return Text("The original wins: nothing that keeps its answers is faster here.", style="bold")
    judged = report.accuracy
    return Text.assemble(
        (f"{chosen.recipe}", "bold green"),
        f" is {report.speedup:.2f} × as fast as the source (p50), ",
        f"{judged.metric} {judged.value:.4f} against {judged.reference:.4f} on {judged.samples} samples.",
    )


def _baseline(report: Report) -> list[str]:
    reference = f"{report.accuracy.reference:.4f}"
    return [
        "baseline",
        "FP32",
        *_figures(report.baseline, report.baseline),
        reference,
        size(report.baseline.size_bytes),
    ]


def _row(candidate: CandidateReport, report: Report) -> list[str | Text]:
    measured = candidate.measurement
    figures = _figures(measured, report.baseline) if measured else ["–"] * 4
    accuracy = f"{candidate.accuracy.value:.4f}" if candidate.accuracy else "–"
    weight = size(measured.size_bytes) if measured else "–"
    result = f"{candidate.state.value}: {candidate.reason}" if candidate.reason else candidate.state.value
    return [candidate.recipe, candidate.precision.value, *figures, accuracy, weight, result]


def _figures(measured: Measurement, baseline: Measurement) -> list[str]:
    latency = measured.latency_seconds
    ratio = baseline.latency_seconds.p50.value / latency.p50.value
    return [
        _milliseconds(latency.p50),
        _milliseconds(latency.p99),
        f"{measured.throughput_per_second.value:.1f}",
        f"{ratio:.2f}",
    ]


def _milliseconds(estimate: Estimate) -> str:
    return f"{estimate.value * 1e3:.2f}"
