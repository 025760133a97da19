"""An answer as a value that sends itself over ASGI, in pieces that are never joined."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import Receive, Scope, Send

Piece = bytes | bytearray | memoryview
JSON = "application/json"


class Reply:
    """Status, headers and body. An ASGI application, so Starlette takes it for a response."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str = JSON,
    ) -> None:
        self.pieces, self.status_code = pieces, status_code
        self.headers = {"content-type": media_type, **(headers or {})}

    @property
    def size_bytes(self) -> int:
        """Bytes of the body."""
        return sum(map(len, self.pieces))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        headers.append((b"content-length", b"%d" % self.size_bytes))
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        for piece in self.pieces[:-1]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        last = self.pieces[-1] if self.pieces else b""
        await send({"type": "http.response.body", "body": last, "more_body": False})


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON answer, in ASCII: names that a client sent may hold what UTF-8 cannot encode."""
    content = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    return Reply([content], status, headers)


def error_content(message: str) -> bytes:
    """An error's body as the protocol has it."""
    return json.dumps({"error": message}).encode()
