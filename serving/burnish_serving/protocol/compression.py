"""Compressed bodies, opened without trusting how large they become."""

import zlib

from burnish_serving.errors import BodyTooLarge, InvalidRequest, UnsupportedEncoding

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def decompress(body: bytes | bytearray, encoding: str, limit_bytes: int) -> bytes | bytearray:
    """The body as it was before `Content-Encoding` (gzip, deflate or identity).

    Never holds more than `limit_bytes` of output.
    Raises: UnsupportedEncoding, BodyTooLarge, InvalidRequest: damaged, cut, or followed by something.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in _WINDOW_BITS:
        raise UnsupportedEncoding(
            "Content-Encoding", found=repr(encoding[:40]), expected="gzip, deflate or none"
        )
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        data = stream.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise InvalidRequest("request", found=str(error), expected=f"a body in {encoding}") from error
    if len(data) > limit_bytes:
        raise too_large(f"more than {limit_bytes} bytes once decompressed", limit_bytes)
    if not stream.eof or stream.unused_data:
        raise InvalidRequest(
            "request", found="a cut or padded body", expected=f"one whole stream of {encoding}"
        )
    return data


def too_large(found: str, limit_bytes: int) -> BodyTooLarge:
    """The error for a body above the limit."""
    return BodyTooLarge(
        "request",
        found=found,
        expected=f"at most {limit_bytes} bytes",
        remedy="Send fewer samples at once, or raise --max-body-bytes.",
    )
