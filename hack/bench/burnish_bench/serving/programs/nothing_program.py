"""A server that computes nothing: it reads whole requests and sends a right answer that it was given.

What it costs is the client's, the kernel's and the bare protocol's share of every other figure.
"""

import asyncio
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias, cast

import grpc
import uvloop

Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"
END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")


class Replies(asyncio.Protocol):
    """HTTP/1.1, keep-alive; the reply is chosen by whether the request is binary."""

    def __init__(self, binary: bytes, json: bytes) -> None:
        self._binary, self._json, self._buffer = binary, json, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(END)) >= 0:
            head = bytes(self._buffer[:end]).lower()
            found = LENGTH.search(head)
            whole = end + len(END) + (int(found[1]) if found else 0)
            if len(self._buffer) < whole:
                return
            del self._buffer[:whole]
            self._transport.write(self._binary if b"inference-header" in head else self._json)


class AnyMethod(grpc.GenericRpcHandler):
    """Every unary method answers the same bytes."""

    def __init__(self, reply: bytes) -> None:
        self._handler: Handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: reply)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """The handler, whatever is asked."""
        return self._handler


async def serve(folder: Path, http_port: int, grpc_port: int) -> None:
    """Serve until killed."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[AnyMethod((folder / "reply-grpc").read_bytes())])
    server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    server.start()
    binary, json = ((folder / f"reply-http-{form}").read_bytes() for form in ("binary", "json"))
    listening = await asyncio.get_running_loop().create_server(
        lambda: Replies(binary, json), "127.0.0.1", http_port
    )
    await listening.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4])))
