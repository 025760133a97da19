"""Protobuf's wire format, as far as large tensors need it: fields are found and written one by one.

A message is a row of fields, each a tag (number and wire type), then its content; a submessage is a field
with its length before it. https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import IO

# Numbers of fields in onnx.proto.
MODEL_GRAPH, GRAPH_INITIALIZER, TENSOR_RAW_DATA = 7, 5, 9
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED = {FIXED64: 8, FIXED32: 4}
MAX_VARINT_BITS = 64
CHUNK_BYTES = 1 << 20
Buffer = mmap | bytes


class Malformed(ValueError):
    """Bytes that are no message, or one that this walk does not know."""


@dataclass(frozen=True)
class Field:
    """One field in a buffer: its tag at `start`, its content from `body` to `end`."""

    number: int
    wire: int
    start: int
    body: int
    end: int

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self.end - self.body


def fields(data: Buffer, start: int, end: int) -> Iterator[Field]:
    """The fields of the message between `start` and `end`. Raises: Malformed."""
    while start < end:
        tag, body = _varint(data, start, end)
        wire = tag & 7
        if wire == BYTES:
            size, body = _varint(data, body, end)
            stop = body + size
        elif wire == VARINT:
            _, stop = _varint(data, body, end)
        elif wire in FIXED:
            stop = body + FIXED[wire]
        else:
            raise Malformed(f"wire type {wire}")
        if stop > end:
            raise Malformed("a field that ends behind its message")
        yield Field(tag >> 3, wire, start, body, stop)
        start = stop


def head(number: int, size: int) -> bytes:
    """What is written before `size` bytes of content of field `number`."""
    return _encoded(number << 3 | BYTES) + _encoded(size)


def copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    """Copy `size` bytes from where `source` is, a piece at a time. Raises: Malformed: it ends before."""
    while size:
        piece = source.read(min(size, CHUNK_BYTES))
        if not piece:
            raise Malformed("a file that ends before its tensor")
        target.write(piece)
        size -= len(piece)


def _varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    number, shift = 0, 0
    while at < end and shift < MAX_VARINT_BITS:
        byte = data[at]
        number |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return number, at
        shift += 7
    raise Malformed("a number without an end")


def _encoded(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes((*made, number))
