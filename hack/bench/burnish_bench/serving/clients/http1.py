"""One HTTP/1.1 connection that sends the same request again and again, and parses as little as it can."""

import asyncio
import re
from typing import cast

from burnish_bench.serving.answers import Answer

LINE, END = b"\r\n", b"\r\n\r\n"
CHUNKED = b"\r\ntransfer-encoding: chunked"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")
JSON_BYTES = re.compile(rb"\r\ninference-header-content-length: *(\d+)")


class Http1(asyncio.Protocol):
    """Keep-alive, one request at a time."""

    def __init__(self, request: bytes) -> None:
        self._request, self._buffer = request, bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has no such base

    def ask(self) -> "asyncio.Future[Answer]":
        """Send the request; the future may raise ConnectionError."""
        self._waiting = asyncio.get_running_loop().create_future()
        if self.closed:
            self._fail(ConnectionResetError("the connection is closed"))
        else:
            self.transport.write(self._request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        """Settle the future once the answer is whole."""
        self._buffer += data
        end = self._buffer.find(END)
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        try:
            body, size = body_of(head, self._buffer, end + len(END))
        except ValueError as error:
            self._fail(ConnectionError(str(error)))
            return
        if body is not None:
            del self._buffer[:size]
            self._settle(head, body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits is told."""
        self.closed = True
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def _settle(self, head: bytes, body: bytes) -> None:
        json_bytes = JSON_BYTES.search(head)
        if self._waiting and not self._waiting.done():
            status = int(head.split(b" ", 2)[1])
            self._waiting.set_result(Answer(status, int(json_bytes[1]) if json_bytes else None, body))

    def _fail(self, error: Exception) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error)


def body_of(head: bytes, buffer: bytearray, start: int) -> tuple[bytes | None, int]:
    """The body that starts there, and where it ends; None: more is to come (RFC 9112, 6.3 and 7.1).

    Raises: ValueError: neither a length nor chunks.
    """
    if found := LENGTH.search(head):
        end = start + int(found[1])
        return (bytes(buffer[start:end]), end) if len(buffer) >= end else (None, 0)
    if CHUNKED not in head:
        raise ValueError("an answer with neither Content-Length nor chunks")
    body = b""
    while (line := buffer.find(LINE, start)) >= 0:
        size, begin = int(buffer[start:line], 16), line + len(LINE)
        start = begin + size + len(LINE)
        if len(buffer) < start:
            break
        if not size:
            return body, start
        body += buffer[begin : begin + size]
    return None, 0


async def connect(port: int, request: bytes) -> Http1:
    """A connection. Raises: OSError."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(lambda: Http1(request), "127.0.0.1", port)
    return protocol
