"""Compressed bodies: opened without trusting how large they become; made where the client wants it."""

import zlib
from collections.abc import Iterable

from burnish_serving.errors import BodyTooLarge, InvalidRequest, UnsupportedEncoding

Body = bytes | bytearray | memoryview
# Between two machines of one cluster more effort costs more time than it saves.
LEVEL = 1
# Clients' libraries list every coding that they can read, wanted or not: then only what is slow to
# send, and compresses well, is worth the time.
LARGE_JSON_BYTES = 64 << 10
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def decompress(body: Body, encoding: str, limit_bytes: int) -> Body:
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


def compress(pieces: Iterable[Body], encoding: str) -> bytes:
    """The pieces as one stream of gzip or deflate."""
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, _WINDOW_BITS[encoding])
    return b"".join([*map(stream.compress, pieces), stream.flush()])


def answer_encoding(accepted: str, *, is_json: bool, size_bytes: int) -> str | None:
    """How to compress an answer for `Accept-Encoding`; None: not at all.

    A client that names one coding alone means it. One that lists several gets large JSON compressed.
    Source: RFC 9110, 12.5.3 (a coding of weight 0 is refused; leaving an answer as it is is allowed).
    """
    weights = dict(_weighted(item) for item in accepted.lower().split(",")[:16] if item.strip())
    wanted = [name for name, weight in weights.items() if weight > 0 and name != "identity"]
    if len(wanted) != 1 and not (is_json and size_bytes >= LARGE_JSON_BYTES):
        return None
    known = [name for name in _WINDOW_BITS if name in wanted]
    return max(known, key=weights.__getitem__, default=None)


def _weighted(item: str) -> tuple[str, float]:
    name, _, parameter = item.partition(";")
    try:
        return name.strip(), float(parameter.strip().removeprefix("q=") or 1)
    except ValueError:
        return name.strip(), 0.0


def too_large(found: str, limit_bytes: int) -> BodyTooLarge:
    """The error for a body above the limit."""
    return BodyTooLarge(
        "request",
        found=found,
        expected=f"at most {limit_bytes} bytes",
        remedy="Send fewer samples at once, or raise --max-body-bytes.",
    )
