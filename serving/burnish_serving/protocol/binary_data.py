"""Tensor data as raw bytes: little-endian, row-major; BYTES as length-prefixed strings."""

import struct
import sys
from collections.abc import Iterator

import numpy as np

from burnish_runtime.check import format_shape
from burnish_runtime.dtypes import carrier
from burnish_runtime.session import Array
from burnish_serving.errors import InvalidRequest
from burnish_serving.protocol.datatypes import BOOL, BYTES, dtype_of
from burnish_serving.protocol.fields import elements

LENGTH = struct.Struct("<I")


def decode(data: memoryview, datatype: str, shape: tuple[int, ...], subject: str) -> Array:
    """An array over the bytes, without a copy on little-endian machines (BYTES: decoded strings).

    Raises: InvalidRequest: another size than the shape says; a string that is cut or not UTF-8.
    """
    if datatype == BYTES:
        return _strings(data, shape, subject)
    little = carrier(dtype_of(datatype, subject)).newbyteorder("<")
    expected = elements(shape) * little.itemsize
    if len(data) != expected:
        raise InvalidRequest(
            subject,
            found=f"{len(data)} bytes",
            expected=f"{expected} bytes for {datatype} of shape {format_shape(shape)}",
        )
    if datatype == BOOL and (np.frombuffer(data, dtype=np.uint8) > 1).any():
        raise InvalidRequest(subject, found="a byte above 1", expected="BOOL as bytes 0 and 1")
    array = np.frombuffer(data, dtype=little).reshape(shape)
    return array if sys.byteorder == "little" else array.astype(little.newbyteorder("="))


def encode(array: Array, datatype: str) -> bytes | memoryview:
    """The bytes of an array: its own memory where that is laid out so already."""
    if datatype == BYTES:
        return b"".join(_prefixed(str(value).encode()) for value in array.reshape(-1))
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data if little.size else b""


def _prefixed(value: bytes) -> bytes:
    return LENGTH.pack(len(value)) + value


def _strings(data: memoryview, shape: tuple[int, ...], subject: str) -> Array:
    # Each string costs its prefix at least: checked before anything is allocated for a lying shape.
    count = elements(shape)
    if count * LENGTH.size > len(data):
        raise InvalidRequest(
            subject, found=f"{len(data)} bytes", expected=f"{count} strings with a length of 4 bytes each"
        )
    values = list(_split(data, subject))
    if len(values) != count:
        raise InvalidRequest(subject, found=f"{len(values)} strings", expected=f"{count} strings")
    array = np.empty(count, dtype=object)
    array[:] = values
    return array.reshape(shape)


def _split(data: memoryview, subject: str) -> Iterator[str]:
    offset = 0
    while offset < len(data):
        start = offset + LENGTH.size
        end = start + LENGTH.unpack_from(data, offset)[0] if start <= len(data) else start
        if end > len(data):
            raise InvalidRequest(subject, found="a string that is cut", expected="whole strings")
        try:
            yield str(data[start:end], "utf-8")
        except UnicodeDecodeError as error:
            raise InvalidRequest(subject, found=str(error), expected="strings in UTF-8") from error
        offset = end
