"""HTTP/1.1 on the wire: uvicorn's fast parser, bounded where it would grow without end."""

import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Twice what most servers and proxies take for a whole head.
MAX_HEAD_BYTES = 64 << 10


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a head, a trailer or a chunk extension that goes on and on; refuses in JSON.

    The parser collects these without any limit. Bytes that end nothing (no head, no piece of a body,
    no message) are counted, and too many of them close the connection.
    """

    _pending_bytes = 0
    _progressed = False

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether it led anywhere."""
        self._progressed = False
        super().data_received(data)
        self._pending_bytes = 0 if self._progressed else self._pending_bytes + len(data)
        if self._pending_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"Request head above {MAX_HEAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        """The parser's callback at the end of a head."""
        self._progressed = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The parser's callback for a piece of a body."""
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The parser's callback at the end of a request."""
        self._progressed = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Tell what was wrong as the protocol does, and hang up."""
        content = json.dumps({"error": msg}).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.transport.close()
