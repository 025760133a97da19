"""One gRPC connection that sends the same message again and again: HTTP/2 without a library.

A client library costs as much as the servers that are measured. Header blocks need no state: ours are
literals, and the server is told to keep no table (RFC 9113, 6.5.2; RFC 7541, 6.2.2), so that
`grpc-status` can be read where it stands.
"""

import asyncio
import re
import struct
from typing import cast

from burnish_bench.serving.answers import Answer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
TABLE_SIZE, WINDOW, FRAME_SIZE = 1, 4, 5  # settings
DEFAULT_WINDOW, LARGEST_WINDOW, LARGEST_FRAME = 65_535, (1 << 31) - 1, 16_384
REFILL = 1 << 30
STATUS = re.compile(rb"grpc-status.(\d+)", re.DOTALL)
PATH = "/inference.GRPCInferenceService/ModelInfer"
UNKNOWN = 2  # gRPC's code where a server says none


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header as a literal without indexing; names and values below 127 bytes (RFC 7541, 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def headers(authority: str) -> bytes:
    """The block of headers of every call."""
    told = {":method": "POST", ":scheme": "http", ":path": PATH, ":authority": authority}
    return b"".join(
        literal(*each) for each in {**told, "te": "trailers", "content-type": "application/grpc"}.items()
    )


def setting(number: int, value: int) -> bytes:
    """One setting (RFC 9113, 6.5.1)."""
    return struct.pack(">HI", number, value)


class Http2(asyncio.Protocol):
    """One call at a time. An answer's status is gRPC's: 0 is OK."""

    def __init__(self, message: bytes, authority: str) -> None:
        self._body = b"\x00" + struct.pack(">I", len(message)) + message
        self._headers = headers(authority)
        self._buffer, self._answer, self._trailer = bytearray(), bytearray(), b""
        self._stream, self._unsent = -1, b""
        self._window, self._stream_window, self._first_window = DEFAULT_WINDOW, 0, DEFAULT_WINDOW
        self._taken, self._largest = 0, LARGEST_FRAME
        self._waiting: asyncio.Future[Answer] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: say what this client takes."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has no such base
        settings = setting(TABLE_SIZE, 0) + setting(WINDOW, LARGEST_WINDOW)
        refill = struct.pack(">I", LARGEST_WINDOW - DEFAULT_WINDOW)
        self.transport.write(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, refill))

    def ask(self) -> "asyncio.Future[Answer]":
        """Send the message; the future may raise ConnectionError."""
        self._waiting = asyncio.get_running_loop().create_future()
        if self.closed:
            self._fail(ConnectionResetError("the connection is closed"))
            return self._waiting
        self._stream += 2
        self._stream_window, self._unsent = self._first_window, self._body
        self._answer, self._trailer = bytearray(), b""
        self._send(frame(HEADERS, END_HEADERS, self._stream, self._headers))
        return self._waiting

    def data_received(self, data: bytes) -> None:
        """Take each frame that is whole."""
        self._buffer += data
        while len(self._buffer) >= 9:
            length = int.from_bytes(self._buffer[:3])
            if len(self._buffer) < 9 + length:
                return
            kind, flags, stream = struct.unpack(">BBI", self._buffer[3:9])
            payload = bytes(self._buffer[9 : 9 + length])
            del self._buffer[: 9 + length]
            self._take(kind, flags, stream, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits is told."""
        self.closed = True
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if stream == 0:
            self._take_control(kind, flags, payload)
        elif stream == self._stream:
            self._take_answer(kind, flags, payload)

    def _take_control(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._apply(payload)
            self.transport.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.transport.write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            self._window += int.from_bytes(payload)
            self._send()
        elif kind == GOAWAY:
            self.closed = True
            self._fail(ConnectionError(f"the server goes away: {payload[8:]!r}"))

    def _take_answer(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == DATA:
            self._answer += payload
            self._refill(len(payload))
        elif kind == HEADERS:
            self._trailer = payload
        elif kind == WINDOW_UPDATE:
            self._stream_window += int.from_bytes(payload)
            self._send()
        elif kind == RST_STREAM:
            self._fail(ConnectionError(f"the server reset the stream: {int.from_bytes(payload)}"))
        if kind in {DATA, HEADERS} and flags & END_STREAM:
            self._settle()

    def _apply(self, payload: bytes) -> None:
        for number, value in struct.iter_unpack(">HI", payload):
            if number == WINDOW:
                self._stream_window += value - self._first_window
                self._first_window = value
            elif number == FRAME_SIZE:
                self._largest = value
        self._send()

    def _send(self, before: bytes = b"") -> None:
        """As much of the message as the server's windows allow (RFC 9113, 5.2)."""
        parts = [before]
        while self._unsent and (room := min(self._window, self._stream_window, self._largest)) > 0:
            piece, self._unsent = self._unsent[:room], self._unsent[room:]
            self._window -= len(piece)
            self._stream_window -= len(piece)
            parts.append(frame(DATA, 0 if self._unsent else END_STREAM, self._stream, piece))
        if any(parts):
            self.transport.write(b"".join(parts))

    def _refill(self, count: int) -> None:
        self._taken += count
        if self._taken > REFILL:
            self.transport.write(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", self._taken)))
            self._taken = 0

    def _settle(self) -> None:
        found = STATUS.search(self._trailer)
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(
                Answer(int(found[1]) if found else UNKNOWN, None, bytes(self._answer[5:]))
            )

    def _fail(self, error: Exception) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error)


async def connect(port: int, message: bytes) -> Http2:
    """A connection. Raises: OSError."""
    loop, authority = asyncio.get_running_loop(), f"127.0.0.1:{port}"
    _, protocol = await loop.create_connection(lambda: Http2(message, authority), "127.0.0.1", port)
    return protocol
