"""HTTP/1.1 by hand: what a client library would refuse to send, and answers read to the last byte."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

INFER = "/v2/models/tiny/infer"
TIMEOUT_SECONDS = 60


class BrokenAnswer(AssertionError):
    """Bytes that are no whole HTTP answer."""


@dataclass(frozen=True)
class Answer:
    """One answer. Header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, or the part of it in front of binary tensors."""
        length = int(self.headers.get("inference-header-content-length", len(self.body)))
        return json.loads(self.body[:length])

    @property
    def closes(self) -> bool:
        """Whether the server says that this was the connection's last answer."""
        return self.headers.get("connection", "").lower() == "close"


class RawConnection:
    """One connection: whatever is sent, and the answers as they come."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def send(self, data: bytes) -> bool:
        """Send all of it. Returns whether the server took it: it may hang up on the way."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def answer(self, *, head_only: bool = False) -> Answer | None:
        """The next answer; None: the connection was closed instead.

        Raises: BrokenAnswer; TimeoutError: neither came.
        """
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        status, *lines = head.decode("latin-1").split("\r\n")
        version, code = status.split(" ")[:2]
        if version != "HTTP/1.1":
            raise BrokenAnswer(status)
        pairs = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in pairs}
        if 100 <= int(code) < 200:
            return Answer(int(code), headers, b"")
        length = 0 if head_only else int(headers["content-length"])
        return Answer(int(code), headers, self._exactly(length))

    def closed(self) -> bool:
        """Wait for the end of the connection. Returns whether nothing was sent before it."""
        return not self._buffer and not self._receive()

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            piece = self._receive()
            if not piece:
                if self._buffer:
                    raise BrokenAnswer(f"cut: {self._buffer[:200]!r}")
                return None
            self._buffer += piece
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            piece = self._receive()
            if not piece:
                raise BrokenAnswer(f"{len(self._buffer)} of {length} bytes")
            self._buffer += piece
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        return taken

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(1 << 16)
        except ConnectionError:
            return b""


@contextmanager
def connected(port: int) -> Iterator[RawConnection]:
    """A connection for as long as a test needs it."""
    connection = RawConnection(port)
    try:
        yield connection
    finally:
        connection.socket.close()


def post(body: bytes, path: str = INFER, **headers: str) -> bytes:
    """A request with its length; `_` in a header's name stands for `-`."""
    lines = {"Host": "test", "Content-Length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def get(path: str, method: str = "GET") -> bytes:
    """A request without a body."""
    return f"{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode("latin-1")
