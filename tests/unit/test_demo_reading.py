"""What the demo reads: the progress of an OptimizedModel, figures from Prometheus, answers, the table."""

import http.server
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from rich.console import Console

from burnish_demo import explain, jobs, prometheus, table, watch
from burnish_demo.compare import compare
from burnish_demo.errors import DemoError, DemoTimeout
from burnish_demo.kube import Object
from burnish_demo.prometheus import Figures, PrometheusApi, Series

NOW = datetime(2026, 5, 4, 10, 2, 0, tzinfo=UTC)
JOB = {
    "metadata": {"name": "burnish-1"},
    "status": {"startTime": "2026-05-04T10:00:00Z", "ready": 1},
}


def model(*targets: Object, ready: str = "False", generation: int = 1, observed: int = 1) -> Object:
    state = {"type": "Ready", "status": ready, "reason": "R", "message": "m", "observedGeneration": observed}
    return {
        "metadata": {"generation": generation},
        "status": {"conditions": [state], "targets": list(targets)},
    }


def test_ready_counts_only_for_the_generation_that_was_applied() -> None:
    assert watch.is_ready(model(ready="True"))
    assert not watch.is_ready(model(ready="True", generation=2))
    assert not watch.is_ready({"metadata": {"generation": 1}})


@pytest.mark.parametrize(
    ("targets", "hopeless"),
    [
        ((), False),
        (({"name": "a", "state": "Failed"},), True),
        (({"name": "a", "state": "Failed"}, {"name": "b", "state": "Building"}), False),
        (({"name": "a", "state": "Failed"}, {"name": "b", "state": "Serving"}), True),
        (({"name": "a", "state": "Failed", "lastFailure": {"retryAt": "2026-05-04T10:03:00Z"}},), False),
        (({"name": "a", "state": "Serving"},), False),
    ],
)
def test_a_failure_is_final_when_no_target_moves_and_none_is_tried_again(
    targets: tuple[Object, ...], hopeless: bool
) -> None:
    assert watch.is_hopeless(model(*targets)) is hopeless


def test_a_source_that_cannot_be_resolved_is_hopeless() -> None:
    found = model()
    found["status"]["conditions"].append(
        {"type": "SourceResolved", "status": "False", "reason": "NotFound", "observedGeneration": 1}
    )
    assert watch.is_hopeless(found)


def test_a_view_joins_the_target_with_its_job() -> None:
    target = {"name": "large", "state": "Building", "job": "burnish-1", "progress": "Job is running"}
    (view,) = watch.views(model(target), [JOB], NOW)
    assert (view.job_phase, view.seconds, view.text) == ("Running", 120.0, "Job is running")


def test_a_finished_job_shows_what_it_took() -> None:
    ended = {"type": "Failed", "status": "True", "lastTransitionTime": "2026-05-04T10:00:30Z"}
    job = {**JOB, "status": {"startTime": "2026-05-04T10:00:00Z", "conditions": [ended]}}
    assert jobs.job_phase(job) == "Failed"
    assert jobs.job_seconds(job, NOW) == 30.0


def test_what_the_optimizer_says_is_shown_instead_of_the_operators_view() -> None:
    line = '{"stage": "candidate", "message": "openvino-bf16", "done": 7, "total": 12}'
    assert jobs.stage_of(line) == "candidate: openvino-bf16 (7 of 12)"
    assert jobs.stage_of("┏━━━ a table") == jobs.stage_of('"text"') == ""
    target = {"name": "large", "state": "Building", "job": "burnish-1", "progress": "Job is running"}
    (view,) = watch.views(model(target), [JOB], NOW, {"burnish-1": "candidate"})
    assert view.text == "candidate"


def test_events_are_told_oldest_first_with_their_object() -> None:
    about = {"kind": "Pod", "name": "p"}
    late = {"type": "Warning", "reason": "B", "involvedObject": about, "lastTimestamp": "2", "message": "m"}
    early = {"type": "Normal", "reason": "A", "regarding": about, "eventTime": "1", "note": "n"}
    assert explain.event_lines([late, early]) == ["Normal   A Pod/p: n", "Warning  B Pod/p: m"]


def test_a_pod_that_waits_says_why() -> None:
    pod = {
        "metadata": {"name": "p"},
        "spec": {},
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}],
            "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}],
        },
    }
    assert explain.pod_lines([pod]) == ["p on no node: Pending 0/2 nodes; waiting: ErrImagePull"]


FLEET: dict[str, Series] = {
    "burnish_latency_seconds": [
        ({"exported_namespace": "demo", "namespace": "burnish-system", **labels}, value)
        for labels, value in [
            ({"model": "m", "target": "t", "variant": "baseline", "quantile": "0.5"}, 0.004),
            ({"model": "m", "target": "t", "variant": "optimized", "quantile": "0.5"}, 0.002),
            ({"model": "other", "target": "t", "variant": "optimized", "quantile": "0.5"}, 9.0),
        ]
    ],
    "burnish_throughput_per_second": [
        ({"namespace": "demo", "model": "m", "target": "t", "variant": "optimized"}, 500.0)
    ],
    "burnish_accuracy_ratio": [
        (
            {"namespace": "demo", "model": "m", "target": "t", "variant": "optimized", "metric": "accuracy"},
            0.9,
        )
    ],
    "burnish_accelerators_needed": [
        ({"namespace": "demo", "model": "m", "target": "t", "variant": "optimized"}, 1.0)
    ],
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Prometheus' query API, as far as it is used, over FLEET."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)["query"][0]
        result = [
            {"metric": dict(labels), "value": [0, str(value)]} for labels, value in FLEET.get(query, [])
        ]
        body = json.dumps({"status": "success", "data": {"result": result}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def api() -> Iterator[PrometheusApi]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield PrometheusApi(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_figures_are_found_whether_or_not_the_scrape_moved_the_namespace(api: PrometheusApi) -> None:
    figures = prometheus.wait_for_fleet(api, "demo", "m", ["t"])["t"]
    assert figures.get("latency_seconds", "optimized", "0.5") == 0.002
    assert figures.get("latency_seconds", "optimized", "0.99") is None
    assert figures.metric == "accuracy"


def test_figures_that_do_not_appear_are_told_by_target(api: PrometheusApi) -> None:
    with pytest.raises(DemoTimeout, match="nothing complete for u"):
        prometheus.wait_for_fleet(api, "demo", "m", ["t", "u"], timeout_seconds=0.0)


def test_a_prometheus_that_does_not_answer_is_told_with_its_url() -> None:
    with pytest.raises(DemoError, match="127.0.0.1:9"):
        PrometheusApi("http://127.0.0.1:9").series("up")


class Fixed:
    """A metrics source that says one thing."""

    def __init__(self, series: Series) -> None:
        self._series = series

    def series(self, expression: str) -> Series:
        return self._series


def test_served_latency_is_that_of_the_targets_pods_and_never_nan() -> None:
    source = Fixed([({"pod": "p"}, 0.003), ({"pod": "stranger"}, 1.0), ({"pod": "idle"}, float("nan"))])
    assert prometheus.served(source, {"p": "t", "idle": "u"}, 0.5) == {"t": 0.003}


def test_agreement_is_counted_by_sample_and_accuracy_against_labels() -> None:
    right = {"y": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)}
    given = {"y": np.array([[0.8, 0.2], [0.6, 0.4], [0.6, 0.4]], np.float32)}
    found = compare(right, given, {"label": np.array([0, 1, 1, 0])})
    assert found.agreement == pytest.approx(2 / 3)
    assert found.accuracy == pytest.approx(1 / 3)
    assert found.max_difference == pytest.approx(0.4)


def test_outputs_without_classes_are_compared_by_direction() -> None:
    maps = {"y": np.ones((2, 1, 4, 4), np.float32)}
    found = compare(maps, {"y": maps["y"] * 2}, {})
    assert (found.agreement, found.accuracy, found.samples) == (None, None, 2)
    assert found.cosine == pytest.approx(1.0)


def rendered(column: table.Column) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(table.results("m", [column]))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_shows_before_and_after_in_units_people_use() -> None:
    values = {
        ("burnish_latency_seconds", "baseline", "0.5"): 0.004,
        ("burnish_latency_seconds", "optimized", "0.5"): 0.002,
        ("burnish_throughput_per_second", "baseline", ""): 250.0,
        ("burnish_throughput_per_second", "optimized", ""): 500.0,
    }
    engine = {"backend": "openvino", "precision": "BF16"}
    text = rendered(table.Column("large", Figures(values, "accuracy"), engine))
    for wanted in ("4.00 → 2.00 ms  2.00×", "250 → 500 /s  2.00×", "openvino BF16"):
        assert wanted in text
    assert "saved per hour" not in text


def test_a_figure_that_is_not_there_is_a_dash_and_never_a_nought() -> None:
    assert table.latency(Figures(), "0.5") == "– → – ms"
    assert table.savings(Figures()) == "–"


def test_savings_are_shown_where_a_price_is_known() -> None:
    text = rendered(table.Column("t", Figures({("burnish_savings_per_hour", "", ""): 1.14}, currency="EUR")))
    assert "1.14 EUR" in text
