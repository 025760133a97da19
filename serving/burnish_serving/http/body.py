"""Reading a body that may be too large, too slow, compressed, or never end."""

import asyncio

from starlette.requests import Request

from burnish_serving.errors import SlowBody
from burnish_serving.protocol.compression import decompress, too_large


async def read_body(request: Request, *, limit_bytes: int, timeout_seconds: float) -> bytes | bytearray:
    """The body, decompressed.

    Args: timeout_seconds: longest silence between two pieces of it.
    Raises: BodyTooLarge, SlowBody, UnsupportedEncoding, InvalidRequest,
        starlette.requests.ClientDisconnect.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise too_large(f"{declared[:20]} bytes", limit_bytes)
    body = await _read_stream(request, limit_bytes, timeout_seconds)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return body
    return await asyncio.to_thread(decompress, body, encoding, limit_bytes)


async def _read_stream(request: Request, limit_bytes: int, timeout_seconds: float) -> bytearray:
    # A bytearray, because tensors become views of it and some backends refuse memory that is read-only.
    body, clock = bytearray(), asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(timeout_seconds) as silence:
            async for piece in request.stream():
                silence.reschedule(clock() + timeout_seconds)
                body += piece
                if len(body) > limit_bytes:
                    raise too_large(f"more than {limit_bytes} bytes", limit_bytes)
    except TimeoutError as error:
        raise SlowBody(
            "request", found=f"{len(body)} bytes and then silence", expected="the whole body"
        ) from error
    return body
