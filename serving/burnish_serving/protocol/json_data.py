"""Tensor data as JSON: nested or flat lists, in row-major order."""

from itertools import chain
from typing import Any

import numpy as np

from burnish_runtime.check import format_shape
from burnish_runtime.session import Array
from burnish_serving.errors import InvalidRequest
from burnish_serving.protocol import bfloat16
from burnish_serving.protocol.datatypes import BF16, BOOL, BYTES, dtype_of
from burnish_serving.protocol.fields import elements


def decode(data: list[Any], datatype: str, shape: tuple[int, ...], subject: str) -> Array:
    """An array from a list, flat or nested as the shape says.

    Raises: InvalidRequest: other counts than the shape's, other types than the datatype's, numbers
    that the datatype cannot hold. Floating-point numbers are rounded to the nearest of the datatype.
    """
    flat = _flatten(data, shape, subject)
    if len(flat) != elements(shape):
        raise InvalidRequest(
            subject,
            found=f"{len(flat)} elements",
            expected=f"{elements(shape)} elements for shape {format_shape(shape)}",
        )
    _check_types(flat, datatype, subject)
    return _convert(flat, datatype, subject).reshape(shape)


def encode(array: Array, datatype: str, subject: str) -> Array | list[Any]:
    """The elements of an array, flat: a list of strings, or numbers for orjson to write.

    Raises: InvalidRequest: NaN or an infinity; the client must ask for binary data.
    """
    if datatype == BYTES:
        return [str(value) for value in array.reshape(-1)]
    values = bfloat16.widen(array) if datatype == BF16 else array
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InvalidRequest(
            subject,
            found="NaN or infinity, which JSON cannot carry",
            expected="a request for binary data",
            remedy='Set "parameters": {"binary_data": true} on this output.',
        )
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("=")).reshape(-1)


def _flatten(data: list[Any], shape: tuple[int, ...], subject: str) -> list[Any]:
    flat, depth = data, 0
    while depth < len(shape) - 1 and flat and all(type(row) is list for row in flat):
        depth += 1
        if any(len(row) != shape[depth] for row in flat):
            raise InvalidRequest(subject, found="ragged rows", expected=f"shape {format_shape(shape)}")
        if depth == 1 and len(flat) != shape[0]:
            raise InvalidRequest(subject, found=f"{len(flat)} rows", expected=f"{shape[0]} rows")
        flat = list(chain.from_iterable(flat))
    if 0 < depth < len(shape) - 1 and flat:
        raise InvalidRequest(
            subject, found=f"lists nested {depth + 1} deep", expected=f"{len(shape)} deep, or flat"
        )
    return flat


def _check_types(flat: list[Any], datatype: str, subject: str) -> None:
    allowed: set[type] = {float, int}
    if datatype in (BOOL, BYTES):
        allowed = {bool} if datatype == BOOL else {str}
    elif "INT" in datatype:
        allowed = {int}
    wrong = set(map(type, flat)) - allowed
    if wrong:
        raise InvalidRequest(
            subject, found=f"a JSON {min(t.__name__ for t in wrong)}", expected=f"values of {datatype}"
        )


def _convert(flat: list[Any], datatype: str, subject: str) -> Array:
    dtype = np.dtype("float32" if datatype == BF16 else dtype_of(datatype, subject))
    if dtype.kind in "iu" and flat:
        limits = np.iinfo(dtype)
        if min(flat) < limits.min or max(flat) > limits.max:
            raise _out_of_range(datatype, subject)
    if dtype.kind != "f":
        return np.array(flat, dtype=dtype)
    doubles = np.array(flat, dtype=np.float64)
    with np.errstate(over="ignore"):
        array = bfloat16.narrow(doubles) if datatype == BF16 else doubles.astype(dtype)
    if not np.isfinite(bfloat16.widen(array) if datatype == BF16 else array).all():
        raise _out_of_range(datatype, subject)
    return array


def _out_of_range(datatype: str, subject: str) -> InvalidRequest:
    return InvalidRequest(
        subject, found=f"a number that {datatype} cannot hold", expected=f"values of {datatype}"
    )
