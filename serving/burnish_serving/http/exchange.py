"""One request and its answer on a connection."""

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from burnish_serving.errors import InvalidRequest

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent, HTTPResponseStartEvent

# What may wait for the application to take it. Above, the socket is not read.
HIGH_WATER_BYTES = 1 << 20


class Exchange(RequestResponseCycle):
    """uvicorn's, but a body's pieces are handed on as they came, and an answer goes out in one write.

    Answers must tell their `content-length`, as all of ours do.
    """

    def __init__(self, **facts: Any) -> None:
        super().__init__(**facts)
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._end_told = False
        self._fault = ""
        self._answer: list[bytes] = []

    def take(self, piece: bytes) -> int:
        """A piece came. Returns how many bytes wait for the application."""
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)
        self.message_event.set()
        return self._waiting_bytes

    def fail(self, message: str) -> None:
        """The rest of the body is not HTTP: whoever reads it is told."""
        self._fault = message
        self.message_event.set()

    async def send(self, message: "ASGISendEvent") -> None:
        """Collect the answer, and write it when it is whole; nothing where the connection is given up."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        self.disconnected = self.disconnected or self.transport.is_closing()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._start(message)
        elif message["type"] == "http.response.body":
            self._add(message.get("body", b""), more=message.get("more_body", False))

    async def receive(self) -> "ASGIReceiveEvent":
        """The next piece, or that the client went away."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        while not (self.disconnected or self.response_complete):
            if self._pieces or (not self.more_body and not self._end_told):
                return self._next()
            if self._fault:
                raise InvalidRequest("request", found=self._fault, expected="a body as HTTP has it")
            self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        return {"type": "http.disconnect"}

    def _next(self) -> "ASGIReceiveEvent":
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._waiting_bytes = [], 0
        self.message_event.clear()
        self._end_told = not self.more_body
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def _start(self, message: "HTTPResponseStartEvent") -> None:
        self.response_started, self.waiting_for_100_continue = True, False
        headers = [*self.default_headers, *message.get("headers", ())]
        self.keep_alive = self.keep_alive and (b"connection", b"close") not in headers
        if not self.keep_alive and (b"connection", b"close") not in headers:
            headers.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        if any(line.count(b"\n") != 1 or b"\r" in line[:-2] for line in lines):
            raise RuntimeError("a header that holds the end of a line")
        self._answer = [b"".join([STATUS_LINE[message["status"]], *lines, b"\r\n"])]

    def _add(self, body: bytes, *, more: bool) -> None:
        if body and self.scope["method"] != "HEAD":
            self._answer.append(body)
        if more:
            return
        self.transport.writelines(self._answer)
        self._answer, self.response_complete = [], True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
