"""The servers' bench and the soak, their pure parts: bytes on the wire, answers, figures, bars, trends."""

import asyncio
import math
import struct
from pathlib import Path

import numpy as np
import pytest

from burnish_bench.serving import document, latency, loads, overload, telling, throughput
from burnish_bench.serving.answers import Answer, is_right, outputs_of
from burnish_bench.serving.bars import verdicts
from burnish_bench.serving.clients import http1, http2
from burnish_bench.serving.clients.load import Order, Tally
from burnish_bench.serving.fleet import split_processors
from burnish_bench.serving.modes import Call, Mode, wire_request
from burnish_bench.serving.results import Cell, Latency, Overload, Results, Throughput, load, save
from burnish_bench.serving.workload import Workload, reply_of
from burnish_bench.soaking.memory import MIB, Sample, trend
from burnish_serving.grpc.proto.open_inference_pb2 import ModelInferRequest

X = np.arange(6, dtype=np.float32).reshape(2, 3)
CALL = Call({"x": X}, ("y",))
OUTPUTS = {"y": X * 2}


def answer_of(reply: bytes, mode: Mode) -> Answer:
    """A reply's bytes as a client keeps them."""
    if mode.is_grpc:
        return Answer(0, None, reply)
    head, body = reply.split(b"\r\n\r\n", 1)
    size = http1.JSON_BYTES.search(head.lower())
    return Answer(200, int(size[1]) if size else None, body)


class TestBytes:
    @pytest.mark.parametrize("mode", list(Mode))
    def test_a_reply_is_read_as_it_was_written(self, mode: Mode) -> None:
        np.testing.assert_array_equal(outputs_of(answer_of(reply_of(OUTPUTS, mode), mode), mode)["y"], X * 2)

    @pytest.mark.parametrize("mode", list(Mode))
    def test_an_answer_is_right_up_to_rounding_alone(self, mode: Mode) -> None:
        for factor, right in ((1 + 1e-6, True), (1.01, False)):
            answer = answer_of(reply_of({"y": (X * 2 * factor).astype(np.float32)}, mode), mode)
            assert is_right(answer, mode, OUTPUTS) is right

    @pytest.mark.parametrize("mode", list(Mode))
    @pytest.mark.parametrize("body", [b"", b"{}", b"\xff" * 20, b'{"outputs": 7}'])
    def test_what_is_no_answer_is_not_right(self, mode: Mode, body: bytes) -> None:
        assert not is_right(Answer(200, None, body), mode, OUTPUTS)

    def test_an_http_request_is_whole(self) -> None:
        head, body = wire_request(CALL, Mode.HTTP_BINARY).split(b"\r\n\r\n", 1)
        assert f"Content-Length: {len(body)}".encode() in head
        assert body.endswith(X.tobytes())

    def test_a_grpc_request_carries_raw_contents(self) -> None:
        message = ModelInferRequest.FromString(wire_request(CALL, Mode.GRPC))
        assert message.raw_input_contents[0] == X.tobytes()


class TestHttp1:
    def test_a_body_with_a_length(self) -> None:
        head, buffer = b"http/1.1 200 ok\r\ncontent-length: 3", bytearray(b"abcHTTP/1.1")
        assert http1.body_of(head, buffer, 0) == (b"abc", 3)
        assert http1.body_of(head, buffer[:2], 0) == (None, 0)

    def test_a_body_in_chunks(self) -> None:
        head, buffer = (
            b"http/1.1 200 ok\r\ntransfer-encoding: chunked",
            bytearray(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
        )
        assert http1.body_of(head, buffer, 0) == (b"abcde", len(buffer))
        for size in range(len(buffer)):
            assert http1.body_of(head, buffer[:size], 0) == (None, 0)

    def test_a_body_without_an_end_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="neither Content-Length nor chunks"):
            http1.body_of(b"http/1.1 200 ok", bytearray(b"abc"), 0)


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data


def data_bytes(sent: bytes) -> int:
    """Payload bytes of DATA frames."""
    total, rest = 0, sent
    while rest:
        length, kind = int.from_bytes(rest[:3]), rest[3]
        total += length if kind == http2.DATA else 0
        rest = rest[9 + length :]
    return total


class TestHttp2:
    def ask(self, message: bytes) -> tuple[http2.Http2, Wire, "asyncio.Future[Answer]"]:
        client, wire = http2.Http2(message, "x"), Wire()
        client.connection_made(wire)
        wire.sent.clear()
        return client, wire, client.ask()

    def test_no_more_is_sent_than_the_window_allows(self) -> None:
        async def run() -> None:
            client, wire, _ = self.ask(b"a" * 100_000)
            assert data_bytes(bytes(wire.sent)) == http2.DEFAULT_WINDOW
            more = struct.pack(">I", 200_000)
            client.data_received(http2.frame(http2.WINDOW_UPDATE, 0, 1, more))
            assert data_bytes(bytes(wire.sent)) == http2.DEFAULT_WINDOW
            client.data_received(http2.frame(http2.WINDOW_UPDATE, 0, 0, more))
            assert data_bytes(bytes(wire.sent)) == 100_005

        asyncio.run(run())

    @pytest.mark.parametrize(("status", "message"), [(0, b"right"), (8, b"")])
    def test_an_answer_comes_in_pieces(self, status: int, message: bytes) -> None:
        async def run() -> Answer:
            client, _, waiting = self.ask(b"x")
            body = b"\x00" + struct.pack(">I", len(message)) + message if message else b""
            trailer = http2.literal("grpc-status", str(status))
            whole = http2.frame(http2.HEADERS, http2.END_HEADERS, 1) + http2.frame(http2.DATA, 0, 1, body)
            whole += http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, trailer)
            for byte in whole:
                client.data_received(bytes([byte]))
            return await waiting

        assert asyncio.run(run()) == Answer(status, None, message)

    def test_a_server_that_goes_away_is_told(self) -> None:
        async def run() -> None:
            client, _, waiting = self.ask(b"x")
            client.data_received(http2.frame(http2.GOAWAY, 0, 0, bytes(8) + b"bye"))
            with pytest.raises(ConnectionError, match="bye"):
                await waiting

        asyncio.run(run())


def found(accepted: int = 0, refused: int = 0, unanswered: int = 0, wrong: int = 0) -> loads.Found:
    """Latencies of 1, 2, … ms."""
    times = tuple((1 + number) / 1e3 for number in range(accepted))
    return loads.Found(2.0, times, (0.001,) * refused, {}, (0.0,), unanswered, wrong)


class TestFigures:
    def test_a_rate_counts_right_answers(self) -> None:
        assert found(accepted=100, wrong=20).per_second == 40.0
        assert throughput.summary(8, [found(accepted=100), found(accepted=50)], "").per_second == 37.5

    def test_who_gets_no_answer_waits_forever(self) -> None:
        assert overload.p99_of_all(found(accepted=200)) == pytest.approx(0.198)
        assert overload.p99_of_all(found(accepted=199, unanswered=1)) is not None
        assert overload.p99_of_all(found(accepted=100, unanswered=10)) is None

    def test_refusals_are_no_answers_and_no_failures(self) -> None:
        told = overload.summary(found(accepted=10), found(accepted=30, refused=10), 80.0)
        assert (told.accepted, told.refused, told.refused_p99) == (30, 10, 0.001)

    def test_overhead_is_paired_round_by_round(self) -> None:
        raw, side = latency.Side(lambda: None), latency.Side(lambda: None)
        raw.windows, side.windows = [[1.0] * 5, [3.0] * 5], [[1.5] * 5, [3.5] * 5]
        assert latency.figures(side, raw).over_p50 == pytest.approx(0.5)

    def test_an_order_is_shared_whole(self) -> None:
        shares = loads.shares(Order(Mode.GRPC, 1, "r", 7, 1.0, rate=90.0), 3)
        assert [share.connections for share in shares] == [3, 2, 2]
        assert [share.rate for share in shares] == [30.0] * 3
        assert len({share.seed for share in shares}) == 3

    def test_answers_that_differ_are_judged(self, tmp_path: Path) -> None:
        work = Workload(tmp_path, tmp_path, tmp_path, CALL, OUTPUTS)
        mode, tally = Mode.HTTP_JSON, Tally(seconds=1.0, accepted=[0.1] * 5)
        tally.answers[answer_of(reply_of(OUTPUTS, mode), mode)] = 3
        tally.answers[answer_of(reply_of({"y": X}, mode), mode)] = 2
        order = Order(mode, 1, "r", 1, 1.0)
        assert loads.merge([tally], order, work).wrong == 2

    def test_clients_and_servers_share_no_processor(self) -> None:
        split = split_processors([0, 1, 2, 3], 2)
        assert (split.servers, split.clients) == ({2, 3}, {0, 1})
        assert split_processors([0, 1], 8).servers == {1}
        assert not split_processors([0], 1).servers


def results() -> Results:
    """Ours keeps the bars over HTTP, binary, and not with JSON."""
    facts = {
        "date": "2026-01-02",
        "machine": {"model": "m", "cores": 2},
        "load": "0",
        "versions": {"kserve": "1"},
        "titles": {"burnish": "Burnish", "kserve": "KServe"},
        "model": "m",
        "request": "r",
        "placement": "p",
        "queue_goal_seconds": 0.01,
    }
    made = Results(facts)
    quick, slow = (Latency(9, 0.001, 0.002, 0.003, over, 0.0, 0.0) for over in (0.0002, 0.02))
    loud = Overload(100.0, 1.0, 0.005, 0.019, 90, 10, 0, 0.001, 0.002)
    made.cells["http-binary"] = {
        "burnish": Cell(quick, [Throughput(1, 900.0)]),
        "burnish-goal": Cell(overload=loud),
        "kserve": Cell(slow, [Throughput(1, 20.0, failed="3 × reset")], None),
    }
    made.cells["http-json"] = {
        "burnish": Cell(slow, [Throughput(1, 100.0)]),
        "kserve": Cell(slow, [Throughput(1, 90.0)]),
        "litserve": Cell(failed="does not install here"),
    }
    return made


class TestTelling:
    def test_bars_hold_or_are_missed(self) -> None:
        told = {verdict.text: verdict.holds for verdict in verdicts(results(), 0.01)}
        held = {text.split(":")[0] + text.split(":")[1][:8]: holds for text, holds in told.items()}
        assert len(told) == 5
        assert sum(told.values()) == 4
        assert any("http-json, 1 clients" in text for text, holds in told.items() if not holds), held

    def test_what_a_server_said_stands_without_the_words_of_the_client(self) -> None:
        said = "an exception occurred in the client while decoding the response: 'error'\nresponse: no JSON"
        assert telling.plain(f"[422] {said}") == "[422] no JSON"

    def test_a_server_that_computes_nothing_is_not_over_the_model(self) -> None:
        made = results()
        made.cells["http-json"]["nothing"] = Cell(Latency(9, 0.001, 0.002, 0.003, -0.1, -0.1, -0.1))
        assert "-100" not in str(telling.sections(made))

    def test_what_has_no_answer_at_overload_is_missed(self) -> None:
        made = results()
        made.cells["http-binary"]["burnish-goal"].overload = Overload(100.0, 1.0, 0.005, None, 90, 0, 9)
        assert any("no answer" in each.text and not each.holds for each in verdicts(made, 1.0))

    def test_results_are_kept(self, tmp_path: Path) -> None:
        save(tmp_path / "r.json", results())
        assert load(tmp_path / "r.json") == results()

    def test_the_page_has_every_table_and_reason(self, tmp_path: Path) -> None:
        text = document.write(results(), tmp_path / "page.md").read_text("utf-8")
        for title, _, _ in telling.sections(results()):
            assert title in text
        for words in ("does not install here", "3 × reset", "holds: ", "MISSED: ", "| Burnish |"):
            assert words in text
        assert "$" not in text


def watched(grow_bytes: float, seconds: int = 600) -> list[Sample]:
    """Noise of 1 MiB, a spike, and a growth over the whole time."""
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, MIB, seconds)
    sizes = [100 * MIB + noise[t] + grow_bytes * t / seconds + 50 * MIB * (t == 400) for t in range(seconds)]
    return [Sample(float(t), round(size)) for t, size in enumerate(sizes)]


class TestMemory:
    def test_noise_and_a_spike_are_flat(self) -> None:
        told = trend(watched(0.0), 600.0)
        assert told is not None
        assert told.is_flat
        assert math.isclose(told.median_bytes, 100.5 * MIB, rel_tol=0.01)

    def test_a_leak_is_told(self) -> None:
        told = trend(watched(20.0 * MIB), 600.0)
        assert told is not None
        assert not told.is_flat
        assert told.growth_bytes == pytest.approx(10 * MIB, rel=0.1)

    def test_what_shrinks_is_flat(self) -> None:
        told = trend(watched(-20.0 * MIB), 600.0)
        assert told is not None
        assert told.is_flat

    def test_no_figures_no_trend(self) -> None:
        assert trend([Sample(float(t), 0) for t in range(600)], 600.0) is None
        assert trend(watched(0.0)[:125], 600.0) is None
