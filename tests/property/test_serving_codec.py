"""Laws of the codec, for any tensor and any bytes."""

import json
from typing import Any

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from burnish_engine.descriptor import TensorSpec
from burnish_runtime.dtypes import carrier
from burnish_serving.errors import BodyTooLarge, InvalidRequest, UnsupportedEncoding
from burnish_serving.protocol import binary_data, json_data
from burnish_serving.protocol.compression import decompress
from burnish_serving.protocol.datatypes import DTYPES
from burnish_serving.protocol.decode import decode_request
from burnish_serving.protocol.encode import answer, encode_response

SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def tensors(draw: st.DrawFn, *, finite: bool = False) -> tuple[str, np.ndarray[Any, Any]]:
    """A datatype and an array that it carries."""
    datatype = draw(st.sampled_from(list(DTYPES)))
    shape = draw(SHAPES)
    if datatype == "BYTES":
        text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
        return datatype, draw(npst.arrays(np.dtype(object), shape, elements=text))
    dtype = carrier(DTYPES[datatype])
    if finite and datatype == "BF16":
        bits = st.integers(0, 0xFFFF).filter(lambda value: value & 0x7F80 != 0x7F80)
        return datatype, draw(npst.arrays(dtype, shape, elements=bits))
    elements = npst.from_dtype(dtype, **({"allow_nan": False, "allow_infinity": False} if finite else {}))
    return datatype, draw(npst.arrays(dtype, shape, elements=elements))


def same(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    if object in (left.dtype, right.dtype):
        return left.shape == right.shape and left.tolist() == right.tolist()
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


@given(tensors())
def test_binary_data_keeps_every_bit(tensor: tuple[str, np.ndarray[Any, Any]]) -> None:
    datatype, array = tensor
    encoded = binary_data.encode(array, datatype)
    assert same(binary_data.decode(memoryview(bytearray(encoded)), datatype, array.shape, "x"), array)


@given(tensors(finite=True), st.booleans())
def test_json_keeps_every_finite_value(tensor: tuple[str, np.ndarray[Any, Any]], nested: bool) -> None:
    datatype, array = tensor
    written = orjson.dumps(json_data.encode(array, datatype, "y"), option=orjson.OPT_SERIALIZE_NUMPY)
    flat = orjson.loads(written)
    if nested and array.ndim:
        flat = np.array(flat, dtype=object).reshape(array.shape).tolist()
    assert same(json_data.decode(flat, datatype, array.shape, "x"), array)


@given(st.lists(tensors(), max_size=3))
def test_what_is_answered_can_be_asked_again(values: list[tuple[str, np.ndarray[Any, Any]]]) -> None:
    """An answer's outputs are well-formed inputs: both directions share one format."""
    specs = tuple(
        TensorSpec(name=f"t{i}", dtype=DTYPES[datatype], shape=(None,) * array.ndim)
        for i, (datatype, array) in enumerate(values)
    )
    arrays = {spec.name: array for spec, (_, array) in zip(specs, values, strict=True)}
    asked = decode_request(b'{"inputs": [], "parameters": {"binary_data_output": true}}', None)
    encoded = encode_response(answer(asked, arrays, specs, model_name="m", model_version="1"))
    length = len(encoded.body) if encoded.header_length is None else encoded.header_length
    document = json.loads(encoded.body[:length])
    head = json.dumps({"inputs": document["outputs"]}).encode()
    again = decode_request(bytearray(head + encoded.body[length:]), str(len(head)))
    assert all(same(tensor.array, arrays[tensor.name]) for tensor in again.inputs)
    assert len(again.inputs) == len(values)


@given(JSON, st.binary(max_size=40), st.none() | st.integers(-5, 200).map(str) | st.text(max_size=5))
def test_any_json_is_read_or_refused(value: Any, tail: bytes, header_length: str | None) -> None:
    try:
        decode_request(json.dumps(value).encode() + tail, header_length)
    except InvalidRequest:
        return


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.just("x") | JSON,
            "datatype": st.sampled_from([*DTYPES, "FP8"]) | JSON,
            "shape": st.lists(st.integers(-2, 5), max_size=4) | st.lists(st.integers(), max_size=3) | JSON,
            "data": st.lists(JSON, max_size=6) | JSON,
            "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-3, 50) | JSON}) | JSON,
        },
    ),
    st.binary(max_size=40),
)
def test_any_input_is_read_or_refused(item: dict[str, Any], tail: bytes) -> None:
    head = json.dumps({"inputs": [item]}).encode()
    try:
        tensor = decode_request(bytearray(head + tail), str(len(head))).inputs[0]
    except InvalidRequest:
        return
    assert list(tensor.array.shape) == item["shape"]
    assert tensor.array.dtype == carrier(DTYPES[tensor.datatype])


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "br", ""]))
def test_any_bytes_are_decompressed_within_the_limit_or_refused(body: bytes, encoding: str) -> None:
    try:
        assert len(decompress(body, encoding, 200)) <= 200
    except (InvalidRequest, BodyTooLarge, UnsupportedEncoding):
        return
