"""One request and its answer on a connection."""

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from burnish_serving.errors import InvalidRequest

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent

# What may wait for the application to take it. Above, the socket is not read.
HIGH_WATER_BYTES = 1 << 20


class Exchange(RequestResponseCycle):
    """uvicorn's, but pieces of a body are handed on as they came instead of being copied twice."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(**facts)
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._end_told = False
        self._fault = ""

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
        """Send a piece of the answer; nothing where the connection is being given up."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        self.disconnected = self.disconnected or self.transport.is_closing()
        await super().send(message)

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
