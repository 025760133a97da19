"""`ports.Prometheus` over the HTTP API: one query a comparison, bounded in time and in bytes."""

import json
import time
from typing import Any

import httpx

from burnish_engine.errors import one_line
from burnish_engine.redact import sanitized
from burnish_operator.adapters import promql
from burnish_operator.errors import PrometheusRefused, PrometheusUnavailable
from burnish_operator.ports import Comparison, Samples

TIMEOUT_SECONDS = 10.0
# Seven figures are less than a kilobyte; more than this is no answer to our question.
MAX_BYTES = 1 << 20
_EXPECTED = "an answer of Prometheus' query API"
_REMEDY = "Check the operator's BURNISH_PROMETHEUS_URL, and that Prometheus runs there."


class HttpPrometheus:
    """The Prometheus at `url`, such as http://prometheus.monitoring:9090. Safe between threads."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._timeout_seconds = timeout_seconds
        self._name = sanitized(self._url)
        self._http = httpx.Client(timeout=timeout_seconds)

    def compare(self, question: Comparison) -> Samples:
        """Ask for all figures at one moment."""
        status, data = self._ask(promql.expression(question))
        try:
            answer = json.loads(data)
            if status == 200 and answer["status"] == "success":
                return _samples(answer["data"])
            found = f"{status}: {answer.get('errorType', '')}: {answer.get('error', '')}"
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._unreadable(status, data) from error
        refused = status < 500 and status != 429
        kind = PrometheusRefused if refused else PrometheusUnavailable
        raise kind(self._name, found=sanitized(found), expected="figures", remedy=_REMEDY)

    def _ask(self, expression: str) -> tuple[int, bytes]:
        ends, data = time.monotonic() + self._timeout_seconds, bytearray()
        body = {"query": expression, "timeout": f"{self._timeout_seconds:g}s"}
        try:
            with self._http.stream("POST", self._url, data=body) as response:
                for chunk in response.iter_bytes():
                    data += chunk
                    self._check(data, ends)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            found = sanitized(f"{type(error).__name__}: {one_line(error)}")
            raise PrometheusUnavailable(
                self._name, found=found, expected=_EXPECTED, remedy=_REMEDY
            ) from error
        return response.status_code, bytes(data)

    def _check(self, data: bytearray, ends: float) -> None:
        """A server that sends and sends must not hold up the operator."""
        found = ""
        if len(data) > MAX_BYTES:
            found = f"more than {MAX_BYTES} bytes"
        elif time.monotonic() > ends:
            found = f"no end of the answer after {self._timeout_seconds:g} s"
        if found:
            raise PrometheusUnavailable(self._name, found=found, expected=_EXPECTED, remedy=_REMEDY)

    def _unreadable(self, status: int, data: bytes) -> PrometheusUnavailable:
        found = f"status {status}: {data[:100].decode(errors='replace')!r}"
        return PrometheusUnavailable(self._name, found=sanitized(found), expected=_EXPECTED, remedy=_REMEDY)


def _samples(data: Any) -> Samples:
    """Raises: ValueError, KeyError, TypeError: it is no vector of ours."""
    figures = {each["metric"][promql.FIGURE]: float(each["value"][1]) for each in data["result"]}
    return Samples(**figures)
