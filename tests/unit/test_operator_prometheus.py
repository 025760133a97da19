"""The adapter for Prometheus against a real HTTP server: what it asks, and whatever it is answered with."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from burnish_engine.errors import BurnishError
from burnish_operator.adapters.prometheus import MAX_BYTES, HttpPrometheus
from burnish_operator.errors import PrometheusRefused, PrometheusUnavailable
from burnish_operator.ports import Comparison, Samples

QUESTION = Comparison("team", "pages", "sha256:" + "1" * 64, "sha256:" + "2" * 64, 60)


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers every query alike, and remembers what was asked."""

    status: int
    body: bytes
    asked: list[dict[str, list[str]]]
    pause_seconds = 0.0

    def do_POST(self) -> None:
        kind = type(self)
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        kind.asked.append({"path": [self.path], **parse_qs(sent.decode())})
        self.send_response(kind.status)
        self.end_headers()
        for part in (kind.body[:10], kind.body[10:]):
            self.wfile.write(part)
            self.wfile.flush()
            time.sleep(kind.pause_seconds)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


Serve = Callable[[int, bytes], type[Answers]]


@pytest.fixture
def server() -> Iterator[tuple[str, type[Answers]]]:
    handler: type[Answers] = type("Handler", (Answers,), {"asked": [], "status": 200, "body": b""})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}", handler
        found.shutdown()


def vector(**figures: str) -> bytes:
    series = [{"metric": {"burnish_figure": name}, "value": [1.5, value]} for name, value in figures.items()]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": series}}).encode()


def test_one_query_gets_every_figure_that_there_is(server: tuple[str, type[Answers]]) -> None:
    url, handler = server
    handler.body = vector(canary_requests="120", canary_p99="NaN", agreement="0.998")
    found = HttpPrometheus(f"{url}/prefix/").compare(QUESTION)
    assert (found.canary_requests, found.agreement, found.stable_requests) == (120.0, 0.998, None)
    assert found.canary_p99 != found.canary_p99
    [asked] = handler.asked
    assert asked["path"] == ["/prefix/api/v1/query"]
    [query] = asked["query"]
    assert all(part in query for part in (QUESTION.canary, QUESTION.stable, 'namespace="team"', "offset 60s"))


def test_nothing_is_known_where_no_series_is(server: tuple[str, type[Answers]]) -> None:
    url, handler = server
    handler.body = vector()
    assert HttpPrometheus(url).compare(QUESTION) == Samples()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (422, b'{"status": "error", "errorType": "execution", "error": "many-to-many"}', PrometheusRefused),
        (503, b'{"status": "error", "errorType": "timeout", "error": "too slow"}', PrometheusUnavailable),
        (429, b"{}", PrometheusUnavailable),
        (200, b"<html>", PrometheusUnavailable),
        (200, b"[]", PrometheusUnavailable),
        (200, b'{"status": "success"}', PrometheusUnavailable),
        (200, vector(surprise="1"), PrometheusUnavailable),
        (200, vector(agreement="lots"), PrometheusUnavailable),
        (200, b" " * (MAX_BYTES + 1), PrometheusUnavailable),
        (404, b"not here", PrometheusUnavailable),
    ],
)
def test_no_answer_is_taken_for_figures(
    server: tuple[str, type[Answers]], status: int, body: bytes, error: type[BurnishError]
) -> None:
    url, handler = server
    handler.status, handler.body = status, body
    with pytest.raises(error, match="/api/v1/query"):
        HttpPrometheus(url).compare(QUESTION)


def test_an_answer_that_drips_is_given_up(server: tuple[str, type[Answers]]) -> None:
    url, handler = server
    handler.body, handler.pause_seconds = vector(), 0.3
    with pytest.raises(PrometheusUnavailable, match="after 0.2 s|ReadTimeout"):
        HttpPrometheus(url, timeout_seconds=0.2).compare(QUESTION)


def test_a_server_that_is_not_there_is_told_without_secrets() -> None:
    with pytest.raises(PrometheusUnavailable) as caught:
        HttpPrometheus("http://me:secret@127.0.0.1:1").compare(QUESTION)
    assert "secret" not in str(caught.value)
