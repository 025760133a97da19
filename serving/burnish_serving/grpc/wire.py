"""Protobuf on the wire, as far as tensors need it: their bytes are never copied into a message.

A parser would copy raw contents once into the message and once more for each reader. Here they are
found where they lie in the bytes that arrived, and put beside a message that is serialized without them.
Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from burnish_serving.errors import InvalidRequest

Buffer: TypeAlias = bytes | memoryview
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
# Far more than any model has inputs and outputs; walking over them must not hold up the event loop.
MAX_FIELDS = 4096


def split(data: bytes, field: int) -> tuple[bytes, list[memoryview]]:
    """Take one field of bytes out of a message, at its top level alone.

    Args: field: its number, below 16.
    Returns: the message without the field, and views of the field's values, in order.
    Raises: InvalidRequest: no protobuf message, or one of more than MAX_FIELDS fields.
    """
    wanted, view, offset = field << 3 | _LENGTH_DELIMITED, memoryview(data), 0
    rest: list[memoryview] = []
    values: list[memoryview] = []
    while offset < len(data):
        if len(rest) + len(values) == MAX_FIELDS:
            raise InvalidRequest(
                "request", found=f"more than {MAX_FIELDS} fields", expected="an inference request"
            )
        start = offset
        tag, offset = _varint(data, offset)
        begin, offset = _skip(data, tag & 7, offset)
        if tag == wanted:
            values.append(view[begin:offset])
        else:
            rest.append(view[start:offset])
    return b"".join(rest) if values else data, values


def delimited(field: int, pieces: Sequence[Buffer]) -> list[Buffer]:
    """A field of bytes (or a message): tag, length, and the pieces that make up its value."""
    head = bytes([field << 3 | _LENGTH_DELIMITED]) + _to_varint(size(pieces))
    return [head, *pieces]


def size(pieces: Iterable[Buffer]) -> int:
    """Bytes of all pieces together."""
    return sum(map(len, pieces))


def _skip(data: bytes, wire_type: int, offset: int) -> tuple[int, int]:
    """Where a value begins (behind its length) and ends."""
    if wire_type == _LENGTH_DELIMITED:
        length, begin = _varint(data, offset)
        end = begin + length
    elif wire_type == _VARINT:
        begin, (_, end) = offset, _varint(data, offset)
    elif wire_type in (_FIXED64, _FIXED32):
        begin, end = offset, offset + (8 if wire_type == _FIXED64 else 4)
    else:
        raise _not_protobuf(f"wire type {wire_type}")
    if end > len(data):
        raise _not_protobuf("a value that is cut")
    return begin, end


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """A number, and the offset behind it."""
    if offset < len(data) and data[offset] < 0x80:
        return data[offset], offset + 1
    value = 0
    for index, byte in enumerate(data[offset : offset + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, offset + index + 1
    raise _not_protobuf("a number without an end")


def _to_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _not_protobuf(found: str) -> InvalidRequest:
    return InvalidRequest("request", found=found, expected="a message in protobuf's wire format")
