"""The gRPC surface and its enemies: bytes of any kind, messages too large or never sent, many at once."""

import gzip
import os
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest

from burnish_serving.grpc.proto import reflection_pb2
from burnish_serving.grpc.proto.open_inference_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelStreamInferResponse,
)
from support.grpc_calls import SERVICE, adding, code, numbers, outcome, raw_call
from support.onnx_models import write_adder
from support.servers import Server, running_server

pytestmark = pytest.mark.integration

ONES = np.ones((1, 3), np.float32)
LIMIT = 1 << 20
MUTATIONS = int(os.environ.get("BURNISH_MUTATIONS", "3000"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = write_adder(tmp_path_factory.mktemp("adder") / "engine")
    with running_server(str(folder), max_body_bytes=LIMIT, body_timeout_seconds=0.5) as running:
        running.logged("ready")
        yield running


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=options) as made:
        yield made


def alive(server: Server) -> None:
    """Still the same process, and it still computes."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as own:
        answer = raw_call(own, "ModelInfer")(adding(ONES, ONES).SerializeToString(), timeout=30)
    assert numbers(ModelInferResponse.FromString(answer)) == [2, 2, 2]
    assert server.process.poll() is None


def test_bytes_that_are_no_message_are_told_as_such(server: Server, channel: grpc.Channel) -> None:
    for name in ("ModelInfer", "ModelMetadata", "ModelReady", "ModelStatistics", "RepositoryIndex"):
        assert code(raw_call(channel, name), b"\xff" * 20) is grpc.StatusCode.INVALID_ARGUMENT
    check = raw_call(channel, "Check", "grpc.health.v1.Health")
    assert code(check, b"\xff" * 20) is grpc.StatusCode.INVALID_ARGUMENT
    assert code(raw_call(channel, "Nothing"), b"") is grpc.StatusCode.UNIMPLEMENTED
    alive(server)


def test_a_call_without_a_message_is_told(channel: grpc.Channel) -> None:
    call = channel.stream_unary(f"/{SERVICE}/ModelInfer")
    assert code(call, iter(())) is grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_that_does_not_come_is_given_up(server: Server, channel: grpc.Channel) -> None:
    done = threading.Event()

    def silence() -> Iterator[bytes]:
        done.wait(30)
        yield from ()

    call = channel.stream_unary(f"/{SERVICE}/ModelInfer")
    assert code(call, silence()) is grpc.StatusCode.DEADLINE_EXCEEDED
    done.set()
    assert 'rejected_total{model="",reason="SlowBody"} 1.0' in server.metrics()


def test_messages_above_the_limit_are_refused(server: Server, channel: grpc.Channel) -> None:
    call = raw_call(channel, "ModelInfer")
    large = np.ones((LIMIT // 12, 3), np.float32)
    assert code(call, adding(large, large).SerializeToString()) is grpc.StatusCode.RESOURCE_EXHAUSTED
    alive(server)


def test_a_bomb_is_not_opened(server: Server, channel: grpc.Channel) -> None:
    """Compressed small, and more than the limit: refused before it is all there."""
    before = psutil.Process(server.process.pid).memory_info().rss
    call = channel.unary_unary(f"/{SERVICE}/ModelInfer")
    bomb = bytes(256 << 20)
    found = code(call, bomb, compression=grpc.Compression.Gzip)
    assert found is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert psutil.Process(server.process.pid).memory_info().rss - before < 64 << 20
    alive(server)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + b"\0\0\0\4\0\0\0\0\0"
        + b"\xff\xff\xff\1\5\0\0\0\1"
        + b"x" * 9999,
        gzip.compress(bytes(1000)),
        b"\0" * 100_000,
    ],
    ids=["HTTP 1", "TLS", "HTTP 2 and noise", "HTTP 2 and a header without end", "gzip", "zeros"],
)
def test_garbage_in_place_of_http2(server: Server, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.grpc_port), timeout=20) as raw:
        try:
            raw.sendall(garbage)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(1 << 16):
                pass
        except OSError:
            pass  # hung up before all of it was sent
    alive(server)


def mutated(source: bytes, random_: random.Random) -> bytes:
    """A few changes: bytes flipped, cut, doubled, put in; lengths and tags are hit as often as data."""
    data = bytearray(source)
    for _ in range(random_.randint(1, 6)):
        at = random_.randrange(len(data)) if data else 0
        kind = random_.randrange(5)
        if kind == 0 and data:
            data[at] ^= 1 << random_.randrange(8)
        elif kind == 1:
            del data[at : at + random_.randint(1, 12)]
        elif kind == 2:
            data[at:at] = data[at : at + random_.randint(1, 40)]
        elif kind == 3:
            data[at:at] = random_.randbytes(random_.randint(1, 8))
        elif data:
            data[at] = random_.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(data)


def sources() -> list[bytes]:
    typed = ModelInferRequest(model_name="tiny", id="7")
    for name in "ab":
        item = typed.inputs.add(name=name, datatype="FP32", shape=[1, 3])
        item.contents.fp32_contents.extend([1, 2, 3])
    typed.outputs.add(name="sum").parameters["p"].int64_param = 3
    return [adding(ONES, ONES, id="7").SerializeToString(), typed.SerializeToString(), b""]


CODES = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INTERNAL,  # shapes that fit the signature and not each other break the engine's run
}


def test_mutated_requests_are_answered_or_refused(server: Server, channel: grpc.Channel) -> None:
    random_, call = random.Random(6), raw_call(channel, "ModelInfer")
    before = psutil.Process(server.process.pid).memory_info().rss
    outcomes = [outcome(call, mutated(random_.choice(sources()), random_)) for _ in range(MUTATIONS)]
    found = {code for code, _ in outcomes}
    assert found <= CODES
    assert not [told for code, told in outcomes if told == "internal error"]
    answers = [ModelInferResponse.FromString(told) for _, told in outcomes if isinstance(told, bytes)]
    assert {answer.model_name for answer in answers} == {"tiny"}
    assert {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND} <= found
    assert psutil.Process(server.process.pid).memory_info().rss - before < 64 << 20
    alive(server)


def test_a_stream_of_mutated_requests_has_an_answer_for_each(server: Server, channel: grpc.Channel) -> None:
    random_ = random.Random(7)
    sent = [mutated(random_.choice(sources()), random_) for _ in range(MUTATIONS // 4)]
    call = channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
    answers = [ModelStreamInferResponse.FromString(data) for data in call(iter(sent), timeout=120)]
    assert len(answers) == len(sent)
    assert all(answer.error_message or answer.infer_response.outputs for answer in answers)
    alive(server)


def test_mutated_questions_about_models(server: Server, channel: grpc.Channel) -> None:
    random_ = random.Random(8)
    calls = [raw_call(channel, name) for name in ("ModelReady", "ModelConfig", "ModelMetadata")]
    calls.append(raw_call(channel, "Check", "grpc.health.v1.Health"))
    asked = [
        outcome(random_.choice(calls), mutated(b"\x0a\x04tiny\x12\x011", random_))
        for _ in range(MUTATIONS // 10)
    ]
    assert {code for code, _ in asked} <= CODES - {grpc.StatusCode.INTERNAL}
    alive(server)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_tools_ask_what_there_is(channel: grpc.Channel, version: str) -> None:
    call = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
    questions = [
        reflection_pb2.ServerReflectionRequest(list_services="*"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        reflection_pb2.ServerReflectionRequest(file_by_filename="health.proto"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        reflection_pb2.ServerReflectionRequest(all_extension_numbers_of_type="no.such.Type"),
    ]
    sent = [*(question.SerializeToString() for question in questions), b"\xff"]
    answers = [
        reflection_pb2.ServerReflectionResponse.FromString(data) for data in call(iter(sent), timeout=30)
    ]
    assert SERVICE in [service.name for service in answers[0].list_services_response.service]
    assert b"ModelStreamInfer" in answers[1].file_descriptor_response.file_descriptor_proto[0]
    assert b"HealthCheckRequest" in answers[2].file_descriptor_response.file_descriptor_proto[0]
    assert [answer.error_response.error_code for answer in answers[3:]] == [5, 5, 3]


def test_many_clients_at_once(server: Server) -> None:
    def ask(number: int) -> bool:
        with grpc.insecure_channel(
            f"127.0.0.1:{server.grpc_port}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as own:
            array = np.full((number + 1, 3), number, np.float32)
            call, request = raw_call(own, "ModelInfer"), adding(array, array).SerializeToString()
            answers = [ModelInferResponse.FromString(call(request, timeout=60)) for _ in range(50)]
            return all(numbers(answer) == [2.0 * number] * array.size for answer in answers)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(8)))


def test_a_port_that_is_taken_ends_the_server(tmp_path: Path, server: Server) -> None:
    with running_server(str(write_adder(tmp_path / "engine")), grpc_port=server.grpc_port) as running:
        assert running.exit_code() == 1
    assert "an address to listen on" in "".join(running.text)


def test_the_log_is_json_and_has_no_line_for_a_request(server: Server) -> None:
    before = len(server.text)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as own:
        call = raw_call(own, "ModelInfer")
        for data in (b"\xff", bytes(2 * LIMIT), b"\x0a\5other"):
            assert outcome(call, data)[0] is not grpc.StatusCode.OK
    alive(server)
    assert len(server.text) == before, server.text[before:]
    assert len(server.log) == len(server.text), server.text
