"""Tensor data as InferTensorContents: one field of numbers, truths or strings for each datatype.

Source: open_inference_grpc.proto, InferTensorContents.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from burnish_runtime.check import format_shape
from burnish_runtime.session import Array
from burnish_serving.errors import InvalidRequest
from burnish_serving.grpc.proto.open_inference_pb2 import InferTensorContents
from burnish_serving.protocol.datatypes import BOOL, BYTES, dtype_of
from burnish_serving.protocol.fields import elements

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        BOOL: "bool_contents",
        **{f"INT{bits}": "int_contents" for bits in (8, 16, 32)},
        "INT64": "int64_contents",
        **{f"UINT{bits}": "uint_contents" for bits in (8, 16, 32)},
        "UINT64": "uint64_contents",
        "FP32": "fp32_contents",
        "FP64": "fp64_contents",
        BYTES: "bytes_contents",
    }
)
# The integers of a field are wider than some that they carry.
_CARRIED_AS: Mapping[str, str] = MappingProxyType({"int_contents": "int32", "uint_contents": "uint32"})


def decode(contents: InferTensorContents, datatype: str, shape: tuple[int, ...], subject: str) -> Array:
    """An array from typed contents.

    Raises: InvalidRequest: FP16 or BF16, which have no field; contents of another datatype; another
    count than the shape's; integers that the datatype cannot hold; strings that are not UTF-8.
    """
    field = FIELDS.get(datatype)
    if field is None:
        raise InvalidRequest(
            subject, found=f"{datatype} without raw contents", expected=f"{datatype} in raw_input_contents"
        )
    wrong = [found.name for found, _ in contents.ListFields() if found.name != field]
    if wrong:
        raise InvalidRequest(subject, found=wrong[0], expected=f"{datatype} in {field}")
    values = getattr(contents, field)
    if len(values) != elements(shape):
        raise InvalidRequest(
            subject,
            found=f"{len(values)} elements in {field}",
            expected=f"{elements(shape)} elements for shape {format_shape(shape)}",
        )
    return _array(values, datatype, field, subject).reshape(shape)


def _array(values: Sequence[Any], datatype: str, field: str, subject: str) -> Array:
    if datatype == BYTES:
        return _strings(values, subject)
    dtype = np.dtype(dtype_of(datatype, subject))
    wide = np.fromiter(values, np.dtype(_CARRIED_AS.get(field, dtype)), len(values))
    if wide.dtype != dtype and len(wide):
        limits = np.iinfo(dtype)
        if wide.min() < limits.min or wide.max() > limits.max:
            raise InvalidRequest(
                subject, found=f"a number that {datatype} cannot hold", expected=f"values of {datatype}"
            )
    return wide.astype(dtype, copy=False)


def _strings(values: Iterable[bytes], subject: str) -> Array:
    try:
        texts = [str(value, "utf-8") for value in values]
    except UnicodeDecodeError as error:
        raise InvalidRequest(subject, found=str(error), expected="strings in UTF-8") from error
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
