"""Traces of a real server, sent to a real socket."""

from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from support.collectors import attributes, running_collector
from support.grpc_calls import adding, raw_call
from support.houses import ADD
from support.onnx_models import write_adder
from support.servers import running_server

pytestmark = pytest.mark.integration

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_request_is_a_span_of_its_callers_trace_with_queue_and_compute_below(tmp_path: Path) -> None:
    engine = str(write_adder(tmp_path / "engine"))
    with running_collector() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with running_server(engine, environment=environment, access_log=True, drain_seconds=0) as server:
            server.logged("ready")
            url = f"{server.url}/v2/models/tiny/infer"
            httpx.post(url, json=ADD, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
            httpx.post(url, content=b"{", headers={"traceparent": "00-nonsense"})
            line = server.logged("request")
            server.terminate()
            assert server.exit_code() == 0
    by_trace = {span.trace_id.hex(): span for span in collector.spans if span.name == "infer tiny"}
    request = by_trace.pop(TRACE)
    assert request.parent_span_id.hex() == PARENT
    known = attributes(request)
    assert (known["http.response.status_code"], known["burnish.model"], known["burnish.id"]) == (
        200,
        "tiny",
        "7",
    )
    parts = {span.name: span for span in collector.spans if span.parent_span_id == request.span_id}
    assert set(parts) == {"queue", "compute"}
    queue, compute = parts["queue"], parts["compute"]
    assert queue.start_time_unix_nano <= queue.end_time_unix_nano == compute.start_time_unix_nano
    assert compute.start_time_unix_nano < compute.end_time_unix_nano <= request.end_time_unix_nano
    (refused,) = by_trace.values()
    assert attributes(refused)["http.response.status_code"] == 400
    assert line["trace_id"] == TRACE
    assert collector.services == {"burnish"}


def test_a_request_over_grpc_is_a_span_too(tmp_path: Path) -> None:
    ones, metadata = np.ones((1, 3), np.float32), [("traceparent", f"00-{TRACE}-{PARENT}-01")]
    with running_collector() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        engine = str(write_adder(tmp_path / "engine"))
        with running_server(engine, environment=environment, drain_seconds=0) as server:
            server.logged("ready")
            with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
                call = raw_call(channel, "ModelInfer")
                call(adding(ones, ones, id="7").SerializeToString(), metadata=metadata, timeout=30)
                with pytest.raises(grpc.RpcError):
                    call(b"\xff", timeout=30)
            server.terminate()
            assert server.exit_code() == 0
    spans = {
        span.trace_id.hex() == TRACE: attributes(span) for span in collector.spans if "infer" in span.name
    }
    assert (spans[True]["rpc.response.status_code"], spans[True]["burnish.id"]) == ("OK", "7")
    assert spans[False]["rpc.response.status_code"] == "INVALID_ARGUMENT"


def test_a_caller_that_does_not_record_is_not_recorded(tmp_path: Path) -> None:
    engine = str(write_adder(tmp_path / "engine"))
    with running_collector() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "pages"}
        with running_server(engine, environment=environment, drain_seconds=0) as server:
            server.logged("ready")
            url = f"{server.url}/v2/models/tiny/infer"
            httpx.post(url, json=ADD, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
            httpx.post(url, json=ADD)
            server.terminate()
            assert server.exit_code() == 0
    assert collector.services == {"pages"}
    assert TRACE not in {span.trace_id.hex() for span in collector.spans}
    assert len(collector.spans) == 3


@pytest.mark.parametrize("status", [0, 400, 503])
def test_a_collector_that_fails_costs_nothing_but_its_traces(tmp_path: Path, status: int) -> None:
    engine = str(write_adder(tmp_path / "engine"))
    with running_collector() as collector:
        collector.status = status
        # 0: nobody listens there.
        endpoint = collector.url if status else "http://127.0.0.1:9"
        with running_server(
            engine, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, drain_seconds=0
        ) as server:
            server.logged("ready")
            assert httpx.post(f"{server.url}/v2/models/tiny/infer", json=ADD).status_code == 200
            server.terminate()
            assert server.exit_code() == 0
            assert all(line.startswith("{") for line in server.text)
    assert collector.spans == []
