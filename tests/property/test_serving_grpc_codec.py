"""Laws of the gRPC codec, for any tensor and any bytes: held against protobuf's own parser."""

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from burnish_engine.descriptor import TensorSpec
from burnish_runtime.dtypes import carrier
from burnish_serving.errors import InvalidRequest
from burnish_serving.grpc.decode import decode
from burnish_serving.grpc.encode import encode, encode_streamed
from burnish_serving.grpc.proto.open_inference_pb2 import (
    ModelInferRequest,
    ModelInferResponse,
    ModelStreamInferResponse,
)
from burnish_serving.protocol.datatypes import DTYPES
from burnish_serving.protocol.encode import answer
from burnish_serving.protocol.messages import InferRequest
from support.grpc_calls import receive

SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
GROUPS = 3, 4  # wire types that protobuf gave up; ours refuses them, its own skips some


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, np.ndarray[Any, Any]]:
    datatype, shape = draw(st.sampled_from(list(DTYPES))), draw(SHAPES)
    if datatype == "BYTES":
        return datatype, draw(npst.arrays(np.dtype(object), shape, elements=TEXT))
    dtype = carrier(DTYPES[datatype])
    return datatype, draw(npst.arrays(dtype, shape, elements=npst.from_dtype(dtype)))


def messages() -> st.SearchStrategy[bytes]:
    def build(name: str, id_: str, raws: list[bytes], inputs: list[tuple[str, list[int]]]) -> bytes:
        message = ModelInferRequest(model_name=name, id=id_, raw_input_contents=raws)
        for datatype, shape in inputs:
            message.inputs.add(name=id_, datatype=datatype, shape=shape)
        return message.SerializeToString()

    items = st.tuples(st.sampled_from([*DTYPES, "FP8"]), st.lists(st.integers(-2, 300), max_size=4))
    return st.builds(
        build, TEXT, TEXT, st.lists(st.binary(max_size=300), max_size=3), st.lists(items, max_size=3)
    )


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(messages()))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@given(damaged() | st.binary(max_size=60))
def test_what_is_split_is_what_protobuf_reads(data: bytes) -> None:
    try:
        expected = ModelInferRequest.FromString(data)
    except DecodeError:
        expected = None
    try:
        received = receive(data)
    except InvalidRequest as error:
        grouped = any(f"wire type {group}" in str(error) for group in GROUPS)
        if expected is not None and not grouped:
            raise AssertionError(f"protobuf reads what is refused here: {data!r}") from error
        return
    assert not received.message.raw_input_contents
    if expected is not None:
        assert [bytes(value) for value in received.raw] == list(expected.raw_input_contents)
        del expected.raw_input_contents[:]
        assert received.message.SerializeToString(deterministic=True) == expected.SerializeToString(
            deterministic=True
        )


@given(damaged())
def test_any_message_is_read_or_refused(data: bytes) -> None:
    try:
        request = decode(receive(data))
    except InvalidRequest:
        return
    for tensor in request.inputs:
        assert tensor.array.dtype == carrier(DTYPES[tensor.datatype])


@given(st.lists(tensors(), max_size=3), TEXT)
def test_what_is_answered_can_be_asked_again(
    values: list[tuple[str, np.ndarray[Any, Any]]], id_: str
) -> None:
    """An answer's outputs are well-formed inputs: both directions share one format."""
    specs = tuple(
        TensorSpec(name=f"t{i}", dtype=DTYPES[datatype], shape=(None,) * array.ndim)
        for i, (datatype, array) in enumerate(values)
    )
    arrays = {spec.name: array for spec, (_, array) in zip(specs, values, strict=True)}
    response = answer(InferRequest((), id=id_), arrays, specs, model_name="m", model_version="1")
    message = ModelInferResponse.FromString(encode(response))
    streamed = ModelStreamInferResponse.FromString(encode_streamed(response)).infer_response
    assert streamed.raw_output_contents == message.raw_output_contents
    asked = ModelInferRequest(id=message.id, raw_input_contents=message.raw_output_contents)
    for output in message.outputs:
        asked.inputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
    again = decode(receive(asked.SerializeToString()))
    assert (again.id or "") == id_
    for tensor in again.inputs:
        expected = arrays[tensor.name]
        assert tensor.array.shape == expected.shape
        if tensor.datatype == "BYTES":
            assert tensor.array.tolist() == expected.tolist()
        else:
            assert tensor.array.tobytes() == expected.tobytes()
