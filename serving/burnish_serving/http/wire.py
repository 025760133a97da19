"""HTTP/1.1 on the wire: uvicorn's fast parser, bounded where it would grow or wait without end."""

import asyncio
import urllib.parse
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from burnish_serving.http.connections import ConnectionLimits, Connections, Watcher
from burnish_serving.http.exchange import HIGH_WATER_BYTES, Exchange
from burnish_serving.http.reply import error_content

# Twice what most servers and proxies take for a whole head.
MAX_HEAD_BYTES = 64 << 10
# Requests sent before the answers to earlier ones: a read of the socket holds thousands of small heads.
MAX_PIPELINED = 32
# What a client that reads an answer slowly must take within `stall_seconds` at least.
STALL_BYTES = 64 << 10
_REASONS = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}
_METRIC_REASONS = {400: "MalformedHttp", 408: "SlowHead", 503: "TooManyConnections"}


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Refuses a head, a trailer or a chunk extension that goes on and on; refuses in JSON.

    The parser collects these without any limit. Bytes that end nothing (no head, no piece of a body,
    no message) are counted, and too many of them close the connection.
    """

    peers: Connections  # of this port: set by `bounded`

    _admitted = False
    _ended = False
    _untaken_upgrade_bytes = 0
    _pending_bytes = 0
    _progressed = False
    _message_open = False
    _head_since: float | None = None
    _idle_since: float | None = None
    _stall: tuple[float, int] | None = None

    @property
    def idle_since(self) -> float | None:
        """Since when it waits for a next request."""
        return self._idle_since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection in, or refuse it where there are too many."""
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._admitted = self.peers.admit(self)
        if not self._admitted:
            limit = self.peers.limits.connections
            self._refuse(503, f"{limit} connections", "fewer: try again in a moment")

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        self.peers.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether it led anywhere."""
        if self._ended or self.transport.is_closing():
            return
        if self._idle_since is not None:
            self._idle_since, self._head_since = None, self.loop.time()
        self._progressed = False
        self._parse(data)
        self._pending_bytes = 0 if self._progressed else self._pending_bytes + len(data)
        if self._pending_bytes > MAX_HEAD_BYTES and not self._ended:
            self._refuse(400, f"more than {MAX_HEAD_BYTES} bytes of head", "fewer")

    def on_headers_complete(self) -> None:
        """The parser's callback at the end of a head: the application starts.

        uvicorn's own, with an exchange that copies less, and without WebSocket.
        """
        self._progressed = True
        self._head_since = None
        if len(self.pipeline) >= MAX_PIPELINED:
            raise httptools.HttpParserError(f"more than {MAX_PIPELINED} requests ahead of their answers")
        self._message_open = True
        self._describe()
        if self.parser.should_upgrade():
            self._untaken_upgrade_bytes = self._announced_bytes()
        waiting, self.cycle = self.cycle, self._exchange()
        if waiting is None or waiting.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _parse(self, data: bytes) -> None:
        if self._untaken_upgrade_bytes:
            self._take_untaken(data)
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offered:
            self._take_untaken(data[offered.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(400, str(error) or "other bytes", "HTTP/1.1")

    def _take_untaken(self, data: bytes) -> None:
        """The body of a request that offers an upgrade: the parser leaves it to the new protocol.

        Clients in Java offer h2c with every request (RFC 7540, 3.2): it is passed over, and they go on.
        """
        piece = data[: self._untaken_upgrade_bytes]
        self._untaken_upgrade_bytes -= len(piece)
        if piece:
            self.on_body(piece)
        if not self._untaken_upgrade_bytes and self._message_open:
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        """The parser's callback for a piece of a body."""
        self._progressed = True
        if not self.cycle.response_complete and self._exchange_now().take(body) > HIGH_WATER_BYTES:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """The parser's callback at the end of a request."""
        self._progressed = True
        if self._untaken_upgrade_bytes:
            return
        self._message_open = False
        super().on_message_complete()
        if self.cycle.response_complete and not self.pipeline:
            self._idle_since = self.loop.time()

    def on_response_complete(self) -> None:
        """The exchange's callback at the end of an answer. uvicorn would set a timer each time."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._message_open:
            self._idle_since = self.loop.time()

    def check(self, now: float) -> None:
        """Give up a head that does not end, an answer or a body that does not move, and idling."""
        limits = self.peers.limits
        if self._idle_since is not None and now - self._idle_since > limits.idle_seconds:
            self.close_idle()
            return
        if self._head_since is not None and now - self._head_since > limits.head_seconds:
            self._head_since = None
            self._refuse(408, f"no whole head in {limits.head_seconds:g} seconds", "one sooner")
            return
        unsent = self.transport.get_write_buffer_size()
        late_body = self._message_open and self.cycle is not None and self.cycle.response_complete
        if not (unsent or late_body):
            self._stall = None
        elif self._stall is None or unsent + STALL_BYTES <= self._stall[1]:
            self._stall = (now, unsent)
        elif now - self._stall[0] > limits.stall_seconds:
            self.peers.refused("StalledClient")
            self.transport.abort()

    def close_idle(self) -> None:
        """Close, between two requests."""
        self.transport.close()

    def _refuse(self, status: int, found: str, expected: str) -> None:
        """Take nothing more, and say why: behind the answers that are due, where there are any."""
        self._ended = True
        self.peers.refused(_METRIC_REASONS[status])
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_refusal(status, f"request: found {found}, expected {expected}."))
            self.transport.close()
            return
        self.cycle.keep_alive = False
        if self._message_open:
            self._exchange_now().fail(found)

    def _describe(self) -> None:
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = self.parser.get_http_version()
        self.scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        self.scope["raw_path"] = url.path
        self.scope["query_string"] = url.query or b""

    def _announced_bytes(self) -> int:
        headers = dict(self.headers)
        if b"transfer-encoding" in headers:
            raise httptools.HttpParserError("an upgrade with a body in chunks")
        return int(headers.get(b"content-length", b"0"))

    def _exchange_now(self) -> Exchange:
        assert isinstance(self.cycle, Exchange)  # noqa: S101 - nothing else is ever put there
        return self.cycle

    def _exchange(self) -> Exchange:
        # After an upgrade that is asked for and not taken up, the parser reads no further request.
        lasting = self.parser.should_keep_alive() and not self.parser.should_upgrade()
        return Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=lasting and self.scope["http_version"] != "1.0",
            on_response=self.on_response_complete,
        )


def _refusal(status: int, message: str) -> bytes:
    content = error_content(message)
    retry = "Retry-After: 1\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"{retry}Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def bounded(limits: ConnectionLimits, watcher: Watcher | None = None) -> Callable[..., asyncio.Protocol]:
    """A protocol class for one port, as uvicorn's `http` setting takes it."""
    attributes: dict[str, Any] = {"peers": Connections(limits, watcher)}
    return type("PortProtocol", (BoundedProtocol,), attributes)
