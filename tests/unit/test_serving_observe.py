"""What is told of requests: metrics under everybody's names, exemplars, lines of log."""

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from burnish_serving.app import create_metrics_app
from burnish_serving.errors import InvalidSettings
from burnish_serving.metrics import ServingMetrics
from burnish_serving.observe import MAX_ID_CHARACTERS, Observed, Observers
from burnish_serving.protocol.messages import Timing
from burnish_serving.settings import ServeSettings
from burnish_serving.tracing import NoTracing, PassingTrace, from_environment
from support.houses import ADD, House, client, talk
from support.onnx_models import write_adder

TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_dashboards_of_triton_and_kserve_find_their_names(tmp_path: Path) -> None:
    house = House(write_adder(tmp_path))

    async def speak(http: httpx.AsyncClient) -> None:
        await http.post("/v2/models/tiny/infer", json=ADD)

    talk(house, speak)
    labels = {"model": "tiny", "version": "1"}
    for name in ("inference_count", "inference_exec_count", "inference_request_success"):
        assert house.metric(name if name.startswith("nv_") else f"nv_{name}", **labels) == 1
    assert house.metric("nv_inference_request_failure", **labels) == 0
    assert (house.metric("nv_inference_compute_infer_duration_us", **labels) or 0) > 0
    assert house.metric("request_predict_seconds_count", model_name="tiny") == 1
    assert house.metric("request_predict_seconds_bucket", model_name="tiny", le="+Inf") == 1


def test_a_traced_request_is_the_exemplar_of_its_bucket(tmp_path: Path) -> None:
    house, pages = House(write_adder(tmp_path)), []

    async def speak(http: httpx.AsyncClient) -> None:
        await http.post(
            "/v2/models/tiny/infer", json=ADD, headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        )
        async with client(create_metrics_app(house.metrics)) as scraper:
            accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
            pages.append((await scraper.get("/metrics", headers=accept)).text)
            assert TRACE not in (await scraper.get("/metrics")).text

    talk(house, speak)
    assert f'# {{trace_id="{TRACE}"}}' in pages[0]


@pytest.mark.parametrize(
    ("parent", "trace_id"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        (f"00-{TRACE}-b7ad6b7169203331-00", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"cc-{TRACE}-b7ad6b7169203331-01-what-comes-later", TRACE),
        (f"00-{TRACE[:-1]}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-b7ad6b7169203331-01\n", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_a_trace_that_others_record_is_known_by_its_id(parent: str, trace_id: str | None) -> None:
    assert NoTracing().begin({b"traceparent": parent.encode()}).trace_id == trace_id


def test_traces_are_off_unless_an_endpoint_is_named() -> None:
    assert isinstance(from_environment({}), NoTracing)
    assert isinstance(from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}), NoTracing)
    disabled = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}
    assert isinstance(from_environment(disabled), NoTracing)


def test_an_endpoint_without_the_packages_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "burnish_serving.telemetry", None)
    with pytest.raises(InvalidSettings, match=r"burnish\[tracing\]"):
        from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})


def logged(caplog: pytest.LogCaptureFixture, seen: Observed, chance: float, **settings: Any) -> list[Any]:
    observers = Observers(ServeSettings("engine", **settings), ServingMetrics(), NoTracing(), lambda: chance)
    with caplog.at_level(logging.INFO, "burnish.access"):
        observers.end(seen)
    return caplog.records


def seen(code: int = 200) -> Observed:
    return Observed(
        "http",
        PassingTrace(TRACE),
        model="tiny",
        code=code,
        request_bytes=5,
        response_bytes=7,
        request_id="i" * 1000,
        timing=Timing(0.25, 0.5, 0.0),
    )


def test_a_line_of_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    (record,) = logged(caplog, seen(), 0.9, access_log=True)
    facts = vars(record)
    assert (facts["model"], facts["code"], facts["trace_id"]) == ("tiny", 200, TRACE)
    assert (facts["queue_seconds"], facts["compute_seconds"]) == (0.25, 0.5)
    assert (facts["request_bytes"], facts["response_bytes"]) == (5, 7)
    assert len(facts["id"]) == MAX_ID_CHARACTERS


@pytest.mark.parametrize(
    ("settings", "code", "chance", "lines"),
    [
        ({}, 500, 0.0, 0),
        ({"access_log": True, "access_log_sample": 0.1}, 200, 0.05, 1),
        ({"access_log": True, "access_log_sample": 0.1}, 200, 0.1, 0),
        ({"access_log": True, "access_log_sample": 0.1}, 400, 0.5, 0),
        ({"access_log": True, "access_log_sample": 0.1}, 500, 0.5, 1),
        ({"access_log": True, "access_log_sample": 0.0}, 200, 0.0, 0),
        ({"access_log": True, "access_log_sample": 0.0}, 500, 0.0, 1),
    ],
)
def test_which_requests_get_a_line(
    caplog: pytest.LogCaptureFixture, settings: dict[str, Any], code: int, chance: float, lines: int
) -> None:
    assert len(logged(caplog, seen(code), chance, **settings)) == lines


@pytest.mark.parametrize(
    "changes",
    [
        {"access_log_sample": -0.1},
        {"access_log_sample": 1.5},
        {"access_log_sample": float("nan")},
        {"max_json_bytes": 0},
        {"max_connections": 0},
        {"head_timeout_seconds": 0},
    ],
)
def test_settings_of_the_front_that_make_no_sense(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        ServeSettings("engine", **changes)
