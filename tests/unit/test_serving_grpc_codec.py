"""The gRPC codec: what is read, what is refused, what is written."""

from typing import Any

import numpy as np
import pytest

from burnish_engine.descriptor import TensorSpec
from burnish_serving import errors
from burnish_serving.errors import BodyTooLarge, InvalidRequest, UnknownModel
from burnish_serving.grpc import failures, typed_contents, wire
from burnish_serving.grpc.decode import decode, split
from burnish_serving.grpc.encode import encode, encode_streamed, encode_streamed_error
from burnish_serving.grpc.proto.open_inference_pb2 import (
    InferParameter,
    InferTensorContents,
    ModelInferRequest,
    ModelInferResponse,
    ModelStreamInferResponse,
)
from burnish_serving.http.failures import STATUSES
from burnish_serving.protocol.datatypes import DTYPES
from burnish_serving.protocol.encode import answer
from burnish_serving.protocol.messages import InferRequest, RequestedOutput
from support.grpc_calls import receive

VALUES: dict[str, list[Any]] = {
    "bool_contents": [True, False, True],
    "int_contents": [0, 127, -128],
    "int64_contents": [-(2**63), 0, 2**63 - 1],
    "uint_contents": [0, 255, 1],
    "uint64_contents": [0, 2**64 - 1, 1],
    "fp32_contents": [0.5, float("inf"), -2],
    "fp64_contents": [0.1, -2, 1e300],
    "bytes_contents": [b"a", b"", "é".encode()],
}


def request(*raw: bytes, **changes: Any) -> ModelInferRequest:
    item = {"name": "x", "datatype": "FP32", "shape": [1, 3]} | changes
    return ModelInferRequest(model_name="m", inputs=[item], raw_input_contents=raw)


def read(message: ModelInferRequest) -> InferRequest:
    return decode(receive(message.SerializeToString()))


@pytest.mark.parametrize("datatype", typed_contents.FIELDS)
def test_typed_contents_of_every_datatype(datatype: str) -> None:
    field = typed_contents.FIELDS[datatype]
    array = read(request(datatype=datatype, contents={field: VALUES[field]})).inputs[0].array
    expected = [v.decode() if isinstance(v, bytes) else v for v in VALUES[field]]
    assert array.dtype == np.dtype(DTYPES[datatype])
    assert array.shape == (1, 3)
    np.testing.assert_array_equal(array[0], np.array(expected, DTYPES[datatype]))


@pytest.mark.parametrize("datatype", [d for d in DTYPES if d not in ("BYTES", "BF16")])
def test_raw_contents_of_every_datatype_are_views(datatype: str) -> None:
    values = np.array([[0, 1, 1]]).astype(DTYPES[datatype])
    array = read(request(values.tobytes(), datatype=datatype)).inputs[0].array
    np.testing.assert_array_equal(array, values)
    assert not array.flags.owndata


def test_bfloat16_travels_as_its_bits() -> None:
    bits = np.array([0x3F80, 0x7F80, 0xFFC1], np.uint16)
    assert read(request(bits.tobytes(), datatype="BF16")).inputs[0].array.tolist() == [bits.tolist()]


def test_raw_strings() -> None:
    data = b"\1\0\0\0a\0\0\0\0\2\0\0\0\xc3\xa9"
    assert read(request(data, datatype="BYTES")).inputs[0].array.tolist() == [["a", "", "é"]]


def test_an_empty_tensor_needs_no_contents() -> None:
    assert read(request(shape=[0, 3])).inputs[0].array.shape == (0, 3)
    assert read(request(b"", shape=[0, 3])).inputs[0].array.shape == (0, 3)


@pytest.mark.parametrize(
    ("raw", "changes", "words"),
    [
        ((b"\0" * 11,), {}, "11 bytes.*12 bytes"),
        ((b"\0" * 13,), {}, "13 bytes.*12 bytes"),
        ((b"\0" * 12, b""), {}, "2 contents.*1 inputs"),
        ((b"\0" * 12,), {"contents": {"fp32_contents": [1, 2, 3]}}, "both"),
        ((), {}, "0 elements.*3 elements"),
        ((), {"contents": {"fp32_contents": [1, 2]}}, "2 elements.*3 elements"),
        ((), {"contents": {"int_contents": [1, 2, 3]}}, "int_contents.*fp32_contents"),
        ((), {"contents": {"fp32_contents": [1, 2, 3], "bool_contents": [True]}}, "bool_contents"),
        ((), {"datatype": "FP16", "contents": {"fp32_contents": [1, 2, 3]}}, "raw_input_contents"),
        ((), {"datatype": "BF16"}, "raw_input_contents"),
        ((), {"datatype": "INT8", "contents": {"int_contents": [1, 2, 128]}}, "INT8 cannot hold"),
        ((), {"datatype": "UINT16", "contents": {"uint_contents": [1, 2, 1 << 16]}}, "UINT16 cannot hold"),
        ((), {"datatype": "BYTES", "contents": {"bytes_contents": [b"a", b"b", b"\xff"]}}, "UTF-8"),
        ((b"\0" * 12,), {"datatype": "FP8"}, "FP8"),
        ((b"\0" * 12,), {"datatype": ""}, "datatype ''"),
        ((b"\0" * 12,), {"shape": [-1, 3]}, "-1.*whole numbers"),
        ((b"\0" * 12,), {"shape": [2**62, 2**62]}, "enormous"),
        ((b"\0" * 12,), {"shape": [2**31 - 1] * 32}, "elements"),
        ((b"\0" * 12,), {"shape": [1] * 33}, "33 dimensions"),
        ((b"\5\0\0\0abc",), {"datatype": "BYTES", "shape": [1]}, "cut"),
        ((b"\0\1\2",), {"datatype": "BOOL"}, "above 1"),
        ((), {"parameters": {"shared_memory_region": {"string_param": "r"}}}, "shared_memory_region"),
    ],
)
def test_inputs_that_are_not_what_they_say(
    raw: tuple[bytes, ...], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read(request(*raw, **changes))


def test_names_given_twice() -> None:
    message = request(b"\0" * 12)
    message.inputs.append(message.inputs[0])
    message.raw_input_contents.append(b"\0" * 12)
    with pytest.raises(InvalidRequest, match="'x' twice"):
        read(message)
    message = request(b"\0" * 12)
    message.outputs.add(name="y")
    message.outputs.add(name="y")
    with pytest.raises(InvalidRequest, match="'y' twice"):
        read(message)


def test_outputs_and_the_id_are_read() -> None:
    message = request(b"\0" * 12)
    message.id = "7"
    message.outputs.add(name="y").parameters["classification"].int64_param = 2
    found = read(message)
    assert (found.id, found.outputs, found.binary) == ("7", (RequestedOutput("y", classes=2),), True)
    for wrong in ({"int64_param": -1}, {"string_param": "2"}, {"bool_param": True}, {}):
        message.outputs[0].parameters["classification"].CopyFrom(InferParameter(**wrong))
        with pytest.raises(InvalidRequest, match="classification"):
            read(message)


@pytest.mark.parametrize(
    "data",
    [
        b"\x0b",
        b"\xff" * 11,
        b"\x3a\x05abc",
        b"\x3a",
        b"\x09\0",
        b"\x0a\x02\xff\xfe",
        b"\x2a\x02\x0a\x05",
        b"\x3a" + b"\xff" * 9 + b"\x7f",
    ],
)
def test_bytes_that_are_no_message(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="protobuf"):
        receive(data)


def test_more_than_any_model_needs_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="4096 fields"):
        receive(b"\x2a\0" * 5000)
    with pytest.raises(InvalidRequest, match="33 dimensions"):
        read(request(b"", shape=[1] * 1_000_000))
    strings = request(datatype="BYTES", contents={"bytes_contents": [b""] * 1000})
    with pytest.raises(BodyTooLarge, match="raw contents"):
        split(strings.SerializeToString(), 1000)


def test_raw_numbers_cost_nothing_to_read() -> None:
    data = bytes(1 << 20)
    numbers = receive(request(data, shape=[1 << 18]).SerializeToString())
    truths = receive(request(data, shape=[1 << 20], datatype="BOOL").SerializeToString())
    assert numbers.work_bytes < 100
    assert truths.work_bytes > 1 << 20


def test_fields_of_later_versions_are_skipped() -> None:
    known = request(b"\0" * 12).SerializeToString()
    unknown = b"\xfa\x06\x03abc" + b"\xf8\x06\x96\x01" + b"\xf9\x06" + b"\0" * 8 + b"\xfd\x06" + b"\0" * 4
    assert decode(receive(unknown + known + unknown)).inputs[0].array.shape == (1, 3)


def test_contents_are_found_wherever_they_stand() -> None:
    head, values = wire.split(b"\x3a\x01a\x0a\x01m\x3a\0\x1a\x01i\x3a\x02bc", 7)
    assert head == b"\x0a\x01m\x1a\x01i"
    assert [bytes(value) for value in values] == [b"a", b"", b"bc"]


def answered(array: np.ndarray[Any, Any], dtype: str) -> tuple[bytes, bytes]:
    specs = (TensorSpec(name="y", dtype=dtype, shape=(None,) * array.ndim),)
    response = answer(InferRequest((), id="7"), {"y": array}, specs, model_name="m", model_version="1")
    return encode(response), encode_streamed(response)


@pytest.mark.parametrize("dtype", [d for d in DTYPES.values() if d not in ("object", "bfloat16")])
@pytest.mark.parametrize("shape", [(2, 3), (0, 3), ()])
def test_answers_of_every_element_type(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)
    message = ModelInferResponse.FromString(answered(array, dtype)[0])
    assert (message.model_name, message.model_version, message.id) == ("m", "1", "7")
    assert tuple(message.outputs[0].shape) == shape
    assert list(message.raw_output_contents) == [array.tobytes()]


def test_answers_that_lie_otherwise_in_memory() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3).T
    message = ModelInferResponse.FromString(answered(array, "int32")[0])
    assert message.raw_output_contents[0] == np.ascontiguousarray(array).tobytes()


def test_a_large_answer_is_one_message() -> None:
    array = np.arange(100_000, dtype=np.float64)
    plain, streamed = answered(array, "float64")
    assert ModelInferResponse.FromString(plain).raw_output_contents[0] == array.tobytes()
    inner = ModelStreamInferResponse.FromString(streamed)
    assert inner.infer_response.raw_output_contents[0] == array.tobytes()
    assert inner.infer_response.parameters["triton_final_response"].bool_param
    assert inner.error_message == ""


def test_strings_are_answered_with_their_lengths() -> None:
    message = ModelInferResponse.FromString(answered(np.array(["é", ""], dtype=object), "object")[0])
    assert message.raw_output_contents[0] == b"\2\0\0\0\xc3\xa9\0\0\0\0"
    assert message.outputs[0].datatype == "BYTES"


def test_an_error_in_a_stream_names_its_request() -> None:
    data = encode_streamed_error("what was wrong", model_name="m", request_id="7")
    message = ModelStreamInferResponse.FromString(data)
    assert (message.error_message, message.infer_response.id) == ("what was wrong", "7")


def test_both_surfaces_know_the_same_errors() -> None:
    assert failures.CODES.keys() == STATUSES.keys()
    own = {e for e in vars(errors).values() if isinstance(e, type) and e.__module__ == errors.__name__}
    # The first is told before anybody can ask; the second never leaves the mirror.
    assert own - failures.CODES.keys() == {errors.InvalidSettings, errors.PeerFailed}


def asking(**parameters: dict[str, Any]) -> InferRequest:
    message = ModelInferRequest(model_name="m", parameters=parameters)
    return read(message)


def test_the_schedule_policy_is_read_from_parameters() -> None:
    asked = asking(timeout={"int64_param": 1500}, priority={"uint64_param": 2})
    assert (asked.timeout_seconds, asked.priority) == (0.0015, 2)
    assert (asking().timeout_seconds, asking().priority) == (None, 0)


@pytest.mark.parametrize("wrong", [{"int64_param": -1}, {"string_param": "soon"}, {"bool_param": True}, {}])
@pytest.mark.parametrize("name", ["timeout", "priority"])
def test_a_policy_that_is_none_is_told(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=name):
        asking(**{name: wrong})


def test_details_fit_a_header() -> None:
    error = UnknownModel("é\ud800" * 5000, found="x", expected="y")
    assert len(failures.details_of(error).encode()) <= failures.MAX_DETAILS_BYTES


def test_typed_contents_of_the_message_are_known() -> None:
    fields = set(InferTensorContents.DESCRIPTOR.fields_by_name)
    assert fields == set(typed_contents.FIELDS.values())
