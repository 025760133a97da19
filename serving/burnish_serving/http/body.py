"""Reading a body that may be too large, too slow, compressed, or never end."""

import asyncio
from collections.abc import Mapping

import numpy as np
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from burnish_serving.errors import SlowBody
from burnish_serving.http.budget import Hold
from burnish_serving.protocol.compression import decompress, too_large

# A body that arrives more slowly than this for longer than the time-out is given up, however steadily.
MIN_BYTES_PER_SECOND = 8 << 10
# Backends take tensors without a copy only where they are aligned; this is what the strictest wants.
ALIGNMENT_BYTES = 64


def _unlimited(_: int) -> None:
    """Hold any number of bytes."""


async def read_body(
    headers: Mapping[bytes, bytes],
    receive: Receive,
    *,
    limit_bytes: int,
    timeout_seconds: float,
    align_at: int = 0,
    hold: Hold = _unlimited,
) -> bytes | bytearray | memoryview:
    """The body, decompressed, in memory that may be written to.

    Args: headers: by lower-case name.   align_at: the offset from which on tensors lie.
        timeout_seconds: longest silence between two pieces of it, and what a trickle is given.
        hold: told how many bytes come to lie in memory; may refuse them.
    Raises: BodyTooLarge, SlowBody, UnsupportedEncoding, InvalidRequest, Overloaded,
        starlette.requests.ClientDisconnect.
    """
    declared = _declared(headers)
    if declared is not None and declared > limit_bytes:
        raise too_large(f"{str(declared)[:20]} bytes", limit_bytes)
    pace = _Pace(timeout_seconds, hold)
    body: bytearray | memoryview
    if declared is None:
        body = await _read_unsized(receive, limit_bytes, pace)
    else:
        body = await _read_sized(receive, aligned(declared, align_at), pace)
    encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
    if encoding in ("", "identity"):
        return body
    data = await asyncio.to_thread(decompress, body, encoding, limit_bytes)
    hold(len(data))
    memory = aligned(len(data), align_at)
    memory[:] = data
    return memory


def aligned(size: int, at: int) -> memoryview:
    """Memory for a body whose byte `at` lies at a multiple of 64. Pages cost nothing until written."""
    memory = np.empty(size + ALIGNMENT_BYTES, np.uint8)
    start = -(memory.__array_interface__["data"][0] + at) % ALIGNMENT_BYTES
    return memory.data[start : start + size]


class _Pace:
    """Until when the next piece must be there."""

    def __init__(self, timeout_seconds: float, hold: Hold) -> None:
        self._timeout_seconds, self._hold = timeout_seconds, hold
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()

    async def next(self, receive: Receive, received: int) -> tuple[bytes, bool]:
        """The next piece, and whether more follow."""
        earned = received / MIN_BYTES_PER_SECOND
        deadline = self._timeout_seconds + min(self._clock(), self._started + earned)
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise SlowBody(
                "request",
                found=f"{received} bytes, then silence or a trickle",
                expected=f"the whole body, {MIN_BYTES_PER_SECOND} bytes a second at least",
            ) from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        self._hold(len(piece))
        return piece, message.get("more_body", False)


async def _read_sized(receive: Receive, memory: memoryview, pace: _Pace) -> memoryview:
    received, more = 0, True
    while more:
        piece, more = await pace.next(receive, received)
        if received + len(piece) > len(memory):
            raise too_large(f"more than the {len(memory)} bytes that were announced", len(memory))
        memory[received : received + len(piece)] = piece
        received += len(piece)
    return memory[:received]


async def _read_unsized(receive: Receive, limit_bytes: int, pace: _Pace) -> bytearray:
    # A bytearray, because tensors become views of it and some backends refuse memory that is read-only.
    body, more = bytearray(), True
    while more:
        piece, more = await pace.next(receive, len(body))
        body += piece
        if len(body) > limit_bytes:
            raise too_large(f"more than {limit_bytes} bytes", limit_bytes)
    return body


def _declared(headers: Mapping[bytes, bytes]) -> int | None:
    text = headers.get(b"content-length", b"")
    return int(text[:20]) if text.isdigit() and b"transfer-encoding" not in headers else None
