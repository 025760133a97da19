"""Reports: everything that was tried is there, and nothing that came in is trusted."""

import io
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from rich.console import Console

from burnish_engine.report import (
    Accuracy,
    CandidateReport,
    CandidateState,
    Energy,
    Estimate,
    GateResult,
    Latency,
    Material,
    Measurement,
    Report,
    Selected,
)
from burnish_engine.request import Backend, LatencyGoal, Metric, OptimizationRequest, Precision
from burnish_optimizer.progress import JsonProgress, Steps
from burnish_optimizer.report.beside import beside
from burnish_optimizer.report.console import milliseconds, render_report, size
from burnish_optimizer.report.limits import broken_limits
from burnish_optimizer.report.page import render_page
from burnish_optimizer.report.plot import LABEL_WIDTH, WIDTH, speedup_plot

EVIL = "<script>alert(1)</script>"


def estimate(value):
    return Estimate(value=value, low=value * 0.9, high=value * 1.1)


def measured(seconds):
    return Measurement(
        latency_seconds=Latency(
            p50=estimate(seconds), p90=estimate(seconds * 1.2), p99=estimate(seconds * 2)
        ),
        throughput_per_second=estimate(1 / seconds),
        peak_memory_bytes=100 << 20,
        load_seconds=0.25,
        size_bytes=5 << 20,
        samples=500,
    )


def candidate(recipe, state, reason, seconds=None, gates=()):
    return CandidateReport(
        recipe=recipe,
        backend=Backend.ONNXRUNTIME,
        precision=Precision.INT8,
        state=state,
        reason=reason,
        gates=gates,
        measurement=measured(seconds) if seconds else None,
        speedup=estimate(0.010 / seconds) if seconds else None,
    )


def report(selected="fast"):
    accuracy = Accuracy(
        metric=Metric.AGREEMENT, value=0.99, interval=(0.97, 1.0), samples=100, reference=1.0, drop=0.01
    )
    failed = GateResult(name="accuracy", passed=False, found=EVIL, expected="a number")
    return Report(
        key="k" * 64,
        source=Material(uri=f"/models/{EVIL}.onnx", digest="sha256:" + "1" * 64, size_bytes=5 << 20),
        request=OptimizationRequest(),
        selected=Selected(recipe=selected, backend=Backend.ONNXRUNTIME, precision=Precision.INT8),
        baseline=measured(0.010),
        optimized=measured(0.004 if selected == "fast" else 0.010),
        accuracy=accuracy,
        candidates=(
            candidate("fast", CandidateState.SELECTED, "2.50 × as fast", 0.004),
            candidate("wrong", CandidateState.REJECTED, "gate accuracy", gates=(failed,)),
            candidate("broken", CandidateState.FAILED, EVIL),
            candidate("never", CandidateState.SKIPPED, "not installed"),
        ),
        environment={"arch": "x86_64", "model": EVIL},
        started=datetime.now(UTC),
        duration_seconds=12.5,
    )


class Tags(HTMLParser):
    """Collects tags, and checks that they close."""

    VOID = frozenset({"meta", "rect", "line", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in self.VOID or self.open.pop() == tag


def test_the_page_is_well_formed_self_contained_and_escaped():
    tags = Tags()
    page = render_page(report(), EVIL)
    tags.feed(page)
    assert tags.open == []
    assert tags.links == []
    assert "script" not in tags.seen
    assert page.count("&lt;script&gt;") >= 5


def test_the_page_tells_every_candidate_with_its_reason():
    page = render_page(report(), "net")
    for word in ("fast", "wrong", "broken", "never", "2.50 × as fast", "not installed", "Rejected"):
        assert word in page
    assert "prefers-color-scheme: dark" in page


def test_a_baseline_that_wins_is_said_plainly():
    assert "The baseline serves" in render_page(report("baseline"), "net")
    assert "baseline wins" in rendered(report("baseline"))


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"max_memory_bytes": 1 << 20}, "it takes 100 MiB of memory, where at most 1 MiB are allowed"),
        ({"latency": LatencyGoal(percentile=99, seconds=0.001)}, "its p99 is 20 ms, where at most 1 ms"),
        ({"max_memory_bytes": 1 << 30, "latency": LatencyGoal(percentile=99, seconds=1)}, ""),
    ],
)
def test_a_baseline_that_serves_and_breaks_a_limit_is_told_as_such(limit, words):
    found = report("baseline").model_copy(update={"request": OptimizationRequest(**limit)})
    assert words in rendered(found)
    assert words in render_page(found, "net")
    assert ("the source serves, and" in rendered(found)) is bool(words)
    assert not broken_limits(report("fast").model_copy(update={"request": OptimizationRequest(**limit)}))


def rendered(found):
    console = Console(file=io.StringIO(), width=200)
    console.print(render_report(found))
    return console.file.getvalue()


def test_the_table_has_one_row_a_candidate():
    text = rendered(report())
    assert "fast: 2.50 × as fast as the baseline" in text
    assert (
        len([line for line in text.splitlines() if re.match(r"(baseline|fast|wrong|broken|never) ", line)])
        == 5
    )


def test_a_run_without_calibration_data_says_so_loudly():
    given = Material(uri="/samples", digest="sha256:" + "2" * 64, samples=64)
    for text in (rendered(report()), render_page(report(), "net")):
        assert "WARNING: no calibration data" in text
        assert "--calibration" in text
    with_data = report().model_copy(update={"calibration": given})
    assert "WARNING" not in rendered(with_data) + render_page(with_data, "net")


def test_the_plot_stays_in_its_picture():
    plot = speedup_plot(report())
    assert [bar.name for bar in plot.bars] == ["baseline", "fast"]
    for bar in plot.bars:
        assert LABEL_WIDTH <= bar.low <= bar.x + bar.width <= bar.high <= WIDTH
    assert plot.bars[1].width == pytest.approx(plot.bars[0].width * 2.5, abs=0.2)
    assert plot.one == plot.bars[0].x + plot.bars[0].width


def test_figures_beside_the_latency_are_told_where_one_side_has_them():
    plain = {row.name for row in beside(report())}
    assert plain == {"load", "peak memory", "size"}
    energy = Energy(joules_per_request=0.0123, domains=("package-0",))
    figures = {"energy": energy, "first_inference_seconds": 0.04, "private_memory_bytes": 3 << 20}
    told = report().model_copy(update={"optimized": measured(0.004).model_copy(update=figures)})
    rows = {row.name: row for row in beside(told)}
    assert rows["energy of a request"] == ("energy of a request", "–", "0.0123 J (package-0)")
    assert rows["of it private"].optimized == "3.0 MiB"
    assert "0.040 s" in render_page(told, "net")


def test_numbers_for_people():
    assert milliseconds(estimate(0.0123456)) == "12.3"
    assert [size(n) for n in (12, 2048, 5 << 20, 3 << 30)] == ["12 B", "2.0 KiB", "5.0 MiB", "3.0 GiB"]


def test_progress_off_a_terminal_is_one_json_object_a_line():
    stream = io.StringIO()
    steps = Steps(JsonProgress(stream), total=3)
    steps.begin("ingest", "a")
    steps.note("ingest", "b")
    steps.begin("select", "c")
    steps.finish("done", "d")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["stage"], line["done"], line["total"]) for line in lines] == [
        ("ingest", 0, 3),
        ("ingest", 0, 3),
        ("select", 1, 3),
        ("done", 3, 3),
    ]
    assert all(set(line) == {"time", "stage", "message", "done", "total"} for line in lines)
