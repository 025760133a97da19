"""Connections: kept, refused and given up; clients that are slow, greedy or unusual."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from burnish_serving.http.wire import MAX_PIPELINED
from support.houses import ADD
from support.onnx_models import write_adder
from support.raw_http import INFER, RawConnection, connected, get, post
from support.servers import Server, running_server

pytestmark = pytest.mark.integration

BODY = json.dumps(ADD).encode()
LIVE = get("/v2/health/live")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives up soon."""
    folder = write_adder(tmp_path_factory.mktemp("adder") / "engine")
    with running_server(
        str(folder), max_connections=8, head_timeout_seconds=1, body_timeout_seconds=1
    ) as running:
        running.logged("ready")
        yield running


@pytest.fixture
def connection(server: Server) -> Iterator[RawConnection]:
    with connected(server.http_port) as made:
        yield made


def alive(server: Server) -> bool:
    with connected(server.http_port) as other:
        other.send(LIVE)
        answer = other.answer()
        return answer is not None and answer.status == 200


def status(connection: RawConnection) -> int:
    answer = connection.answer()
    assert answer is not None
    return answer.status


def test_a_connection_is_kept_for_many_requests(connection: RawConnection) -> None:
    for _ in range(50):
        connection.send(post(BODY))
        assert status(connection) == 200
        connection.send(get(INFER))
        assert status(connection) == 405


def test_requests_ahead_of_answers_are_answered_in_order(connection: RawConnection) -> None:
    connection.send(b"".join(post(json.dumps(ADD | {"id": str(n)}).encode()) for n in range(20)))
    answers = [connection.answer() for _ in range(20)]
    assert [answer.json()["id"] for answer in answers if answer] == [str(n) for n in range(20)]


@pytest.mark.parametrize("garbage", [b"\x00\x01\x02\r\n\r\n", b"G" * (1 << 20), b"GET / HTTP/7\r\n\r\n"])
def test_garbage_behind_a_request_does_not_cost_its_answer(connection: RawConnection, garbage: bytes) -> None:
    connection.send(post(BODY) + garbage)
    answer = connection.answer()
    assert answer is not None
    assert answer.status == 200
    while (answer := connection.answer()) is not None:
        assert (answer.status, answer.closes) == (400, True)


def test_a_chunk_that_is_none_is_told_to_its_sender(connection: RawConnection) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    connection.send(head + b"5\r\nabcde\r\nZZZ\r\n")
    answer = connection.answer()
    assert answer is not None
    assert (answer.status, answer.closes) == (400, True)
    assert "chunk" in answer.json()["error"]


def test_too_many_requests_ahead_of_answers_are_cut_off(server: Server, connection: RawConnection) -> None:
    connection.send(LIVE * (MAX_PIPELINED * 20))
    answered = 0
    while connection.answer() is not None:
        answered += 1
    assert answered < MAX_PIPELINED * 20
    assert alive(server)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_head_that_comes_in_pieces(connection: RawConnection, cut: int) -> None:
    request = post(BODY)
    for start in range(0, len(request), len(request) // cut):
        connection.send(request[start : start + len(request) // cut])
    assert status(connection) == 200


def test_a_body_in_chunks(connection: RawConnection) -> None:
    pieces = [BODY[start : start + 7] for start in range(0, len(BODY), 7)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    connection.send(head + chunks + b"0\r\n\r\n")
    assert status(connection) == 200


def test_a_client_that_asks_before_it_sends(connection: RawConnection) -> None:
    request = post(BODY, Expect="100-continue")
    head = request[: -len(BODY)]
    connection.send(head)
    assert status(connection) == 100
    connection.send(BODY)
    assert status(connection) == 200


def test_an_offer_to_upgrade_is_passed_over(connection: RawConnection) -> None:
    """As some clients make with every request."""
    connection.send(post(BODY, Connection="Upgrade, HTTP2-Settings", Upgrade="h2c", HTTP2_Settings="AAA"))
    answer = connection.answer()
    assert answer is not None
    assert answer.status == 200
    assert answer.closes
    assert connection.closed()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_connection_is_closed_where_the_client_wants_it(connection: RawConnection, version: str) -> None:
    extra = "Connection: close\r\n" if version == "1.1" else ""
    connection.send(f"GET /v2 HTTP/{version}\r\nHost: x\r\n{extra}\r\n".encode())
    answer = connection.answer()
    assert answer is not None
    assert answer.closes
    assert connection.closed()


def test_head_has_no_body(connection: RawConnection) -> None:
    connection.send(get("/v2", "HEAD") + LIVE)
    answer = connection.answer(head_only=True)
    assert answer is not None
    assert int(answer.headers["content-length"]) > 0
    assert status(connection) == 200


@pytest.mark.parametrize("sent", [b"", b"P", b"POST /v2 HTTP/1.1\r\nHost: x\r\n", LIVE + b"GET"])
def test_a_head_that_does_not_end_is_given_up(connection: RawConnection, sent: bytes) -> None:
    connection.send(sent)
    if sent.startswith(LIVE):
        assert status(connection) == 200
        connection.send(b" /")
    assert status(connection) == 408
    assert connection.closed()


def test_a_head_that_trickles_is_given_up(connection: RawConnection) -> None:
    while connection.send(b"X"):
        time.sleep(0.1)


def test_a_body_that_trickles_is_given_up(server: Server, connection: RawConnection) -> None:
    connection.send(post(BODY)[: -len(BODY)])
    connection.socket.settimeout(0.2)
    for byte in BODY:
        connection.send(bytes([byte]))
        try:
            answer = connection.answer()
        except TimeoutError:
            continue
        assert answer is not None
        assert answer.status == 408
        break
    else:
        raise AssertionError("the whole body was taken")
    assert alive(server)


def test_a_body_that_goes_on_after_its_refusal_is_given_up(connection: RawConnection) -> None:
    connection.send(post(b"x" * 5, "/v2/models/other/infer", Content_Length="1000000"))
    assert status(connection) == 404
    while connection.send(b"y"):
        time.sleep(0.05)


def test_a_client_that_does_not_read_its_answers_is_given_up(server: Server) -> None:
    rows = 1 << 17
    shared = {"datatype": "FP32", "shape": [rows, 3], "parameters": {"binary_data_size": rows * 12}}
    asked = {
        "inputs": [{"name": name, **shared} for name in "ab"],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(asked).encode()
    body = head + bytes(rows * 24)
    with connected(server.http_port) as greedy:
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = post(body, Inference_Header_Content_Length=str(len(head)))
        deadline = time.monotonic() + 60
        while greedy.send(request) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert time.monotonic() < deadline
    assert alive(server)
    assert "Exception" not in "".join(server.text)


def test_connections_beyond_the_limit_are_refused_while_the_others_work(server: Server) -> None:
    busy = [RawConnection(server.http_port) for _ in range(8)]
    try:
        for held in busy:
            held.send(b"GET /v2")
        time.sleep(0.1)
        with connected(server.http_port) as late:
            answer = late.answer()
            assert answer is None or (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer is None or "8 connections" in answer.json()["error"]
        busy[0].send(b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(busy[0]) == 200
    finally:
        for held in busy:
            held.socket.close()


def test_an_idle_connection_makes_room_for_a_new_one(server: Server) -> None:
    idle = [RawConnection(server.http_port) for _ in range(8)]
    try:
        for held in idle:
            held.send(LIVE)
            assert status(held) == 200
        assert alive(server)
        taken = [held.send(LIVE) and held.answer() is not None for held in idle]
        assert sorted(taken) == [False] + [True] * 7
    finally:
        for held in idle:
            held.socket.close()


def test_what_never_became_a_request_is_counted(server: Server) -> None:
    def count(reason: str) -> float:
        line = f'burnish_requests_rejected_total{{model="",reason="{reason}"}} '
        found = [text for text in server.metrics().splitlines() if text.startswith(line)]
        return float(found[0].removeprefix(line)) if found else 0.0

    malformed, slow = count("MalformedHttp"), count("SlowHead")
    with connected(server.http_port) as other, connected(server.http_port) as silent:
        other.send(b"\x16\x03\x01\x02")
        assert status(other) == 400
        assert status(silent) == 408
    assert count("MalformedHttp") == malformed + 1
    assert count("SlowHead") == slow + 1
    assert "burnish_http_connections " in server.metrics()
