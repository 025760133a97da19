"""The gRPC surface through a life: health, deadlines, clients that go away, a full house, drains."""

import queue
import re
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from burnish_serving.grpc.proto import health_pb2
from burnish_serving.grpc.proto.open_inference_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelStreamInferResponse,
)
from support.grpc_calls import SERVICE, adding, code, numbers, raw_call
from support.onnx_models import LOOP_INPUTS, LOOP_OUTPUTS, long_loop, write_adder, write_running_engine
from support.servers import Server, running_server

pytestmark = pytest.mark.integration

ONES = np.ones((1, 3), np.float32)


@pytest.fixture(scope="module")
def adder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = write_adder(tmp_path_factory.mktemp("adder") / "engine")
    with running_server(str(folder)) as running:
        running.logged("ready")
        yield running


def status(channel: grpc.Channel, service: str) -> str:
    request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    answer = raw_call(channel, "Check", "grpc.health.v1.Health")(request, timeout=30)
    number = health_pb2.HealthCheckResponse.FromString(answer).status
    return health_pb2.HealthCheckResponse.ServingStatus.Name(number)


def test_health_of_the_server_its_service_and_its_models(adder: Server) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{adder.grpc_port}") as channel:
        assert [status(channel, name) for name in ("", SERVICE, "tiny")] == ["SERVING"] * 3
        with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
            status(channel, "other")
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
        watching = watch(b"\x0a\x05other", timeout=30)
        assert next(watching) == b"\x08\x03"  # SERVICE_UNKNOWN
        watching.cancel()


def test_health_tells_of_the_drain(tmp_path: Path) -> None:
    with running_server(str(write_adder(tmp_path / "engine")), drain_seconds=10) as running:
        running.logged("ready")
        with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as own:
            watching = own.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=120)
            assert next(watching) == b"\x08\x01"
            running.terminate()
            assert next(watching) == b"\x08\x02"
            assert status(own, "tiny") == "NOT_SERVING"
            alive_answer = raw_call(own, "ModelInfer")(adding(ONES, ONES).SerializeToString(), timeout=30)
            assert numbers(ModelInferResponse.FromString(alive_answer)) == [2, 2, 2]
        assert running.exit_code() == 0


def test_an_engine_that_is_not_there_yet(tmp_path: Path) -> None:
    """The registry does not answer: the server lives, is not ready, and says so on every call."""
    with running_server("oci://127.0.0.1:9/engines@sha256:" + "0" * 64) as running:
        running.logged("fetching the engine")
        with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as own:
            assert raw_call(own, "ServerLive")(b"", timeout=30) == b"\x08\x01"
            assert raw_call(own, "ServerReady")(b"", timeout=30) == b""
            assert raw_call(own, "ModelReady")(b"\x0a\x04tiny", timeout=30) == b""
            assert [status(own, name) for name in ("", "tiny")] == ["NOT_SERVING"] * 2
            call = raw_call(own, "ModelInfer")
            request = adding(ONES, ONES).SerializeToString()
            assert code(call, request) is grpc.StatusCode.UNAVAILABLE
        running.terminate()
        assert running.exit_code() == 0


def loop_engine(folder: Path) -> str:
    return str(write_running_engine(folder, long_loop(), LOOP_INPUTS, LOOP_OUTPUTS))


def turns(count: int) -> bytes:
    request = ModelInferRequest(model_name="tiny", raw_input_contents=[np.int64(count).tobytes()])
    request.inputs.add(name="n", datatype="INT64", shape=[1])
    return request.SerializeToString()


def in_flight(server: Server, count: int) -> None:
    while f'in_flight{{model="tiny"}} {count}.0' not in server.metrics():
        time.sleep(0.01)


def ended_early(server: Server) -> float:
    """Requests that their clients gave up: whose clock was first, theirs or the server's, is chance."""
    counted = re.findall(
        r'duration_seconds_count{code="(CANCELLED|DEADLINE_EXCEEDED)".*} (.*)', server.metrics()
    )
    return sum(float(count) for _, count in counted)


def computed(server: Server) -> float:
    (count,) = re.findall(r'compute_duration_seconds_count{model="tiny"} (.*)', server.metrics())
    return float(count)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = loop_engine(tmp_path_factory.mktemp("loop") / "engine")
    with running_server(folder, max_pending=2, instances=1) as running:
        running.logged("ready")
        yield running


def test_a_deadline_ends_the_wait_and_nothing_is_computed(slow: Server) -> None:
    ran = computed(slow)
    with grpc.insecure_channel(f"127.0.0.1:{slow.grpc_port}") as own:
        call = raw_call(own, "ModelInfer")
        running = call.future(turns(4_000_000), timeout=120)
        in_flight(slow, 1)
        assert code(call, turns(1), timeout=1.0) is grpc.StatusCode.DEADLINE_EXCEEDED
        assert numbers(ModelInferResponse.FromString(running.result())) == [4_000_000.0]
    in_flight(slow, 0)
    assert computed(slow) == ran + 1


def test_a_client_that_goes_away_takes_its_request_along(slow: Server) -> None:
    gave_up, ran = ended_early(slow), computed(slow)
    with grpc.insecure_channel(f"127.0.0.1:{slow.grpc_port}") as own:
        call = raw_call(own, "ModelInfer")
        running = call.future(turns(2_000_000), timeout=120)
        in_flight(slow, 1)
        waiting = call.future(turns(10**9), timeout=120)
        in_flight(slow, 2)
        waiting.cancel()
        in_flight(slow, 1)
        running.result()
        assert numbers(ModelInferResponse.FromString(call(turns(5), timeout=120))) == [5.0]
    in_flight(slow, 0)
    assert (ended_early(slow), computed(slow)) == (gave_up + 1, ran + 2)


def test_a_full_house_refuses_and_says_when_to_come_back(slow: Server) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{slow.grpc_port}") as own:
        call = raw_call(own, "ModelInfer")
        busy = [call.future(turns(2_000_000), timeout=120) for _ in range(2)]
        in_flight(slow, 2)
        with pytest.raises(grpc.RpcError) as caught:
            call(turns(1), timeout=30)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ("grpc-retry-pushback-ms", "1000") in tuple(caught.value.trailing_metadata())
        assert httpx.get(f"{slow.url}/v2/health/ready").status_code == 200
        assert [numbers(ModelInferResponse.FromString(call.result())) for call in busy] == [[2_000_000.0]] * 2


def test_a_stream_that_is_left_leaves_nothing(slow: Server) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{slow.grpc_port}") as own:
        requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        stream = own.stream_stream(f"/{SERVICE}/ModelStreamInfer")(iter(requests.get, b""), timeout=120)
        requests.put(turns(3))
        answer = ModelStreamInferResponse.FromString(next(stream))
        assert numbers(answer.infer_response) == [3.0]
        requests.put(turns(2_000_000))
        in_flight(slow, 1)
        stream.cancel()
        requests.put(b"")
        in_flight(slow, 0)


def test_a_slow_request_is_answered_through_the_drain(tmp_path: Path) -> None:
    with running_server(loop_engine(tmp_path / "engine"), drain_seconds=30) as running:
        running.logged("ready")
        with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as own:
            call = raw_call(own, "ModelInfer")
            asked = call.future(turns(3_000_000), timeout=120)
            in_flight(running, 1)
            running.terminate()
            assert running.logged("draining")["in_flight"] == 1
            assert raw_call(own, "ServerReady")(b"", timeout=30) == b""
            assert numbers(ModelInferResponse.FromString(call(turns(1), timeout=120))) == [1.0]
            assert numbers(ModelInferResponse.FromString(asked.result())) == [3_000_000.0]
        assert running.exit_code() == 0
        assert running.logged("stopped")


def test_a_request_that_takes_too_long_is_given_up_and_the_exit_is_still_clean(tmp_path: Path) -> None:
    with running_server(loop_engine(tmp_path / "engine"), drain_seconds=1) as running:
        running.logged("ready")
        with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as own:
            asked = raw_call(own, "ModelInfer").future(turns(10**9), timeout=120)
            in_flight(running, 1)
            running.terminate()
            assert running.exit_code() == 0
            assert running.logged("drained")["given_up"] == 1
            with pytest.raises(grpc.RpcError) as caught:
                asked.result()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
