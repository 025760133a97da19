"""The codec: what is read, what is refused, what is written."""

import gzip
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from burnish_engine.descriptor import TensorSpec
from burnish_runtime.errors import InvalidInput
from burnish_serving.errors import BodyTooLarge, InvalidRequest, UnsupportedEncoding
from burnish_serving.protocol.compression import decompress
from burnish_serving.protocol.datatypes import DTYPES
from burnish_serving.protocol.decode import decode_request, to_feeds
from burnish_serving.protocol.encode import answer, encode_response
from burnish_serving.protocol.messages import InferRequest

SPECS = (TensorSpec(name="x", dtype="float32", shape=(None, 3)),)


def request(**changes: Any) -> dict[str, Any]:
    item = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2.5, 3]} | changes
    return {"inputs": [{name: value for name, value in item.items() if value is not None}]}


def read(document: Any, tail: bytes = b"", header_length: str | None = None) -> InferRequest:
    head = document if isinstance(document, bytes) else json.dumps(document).encode()
    if tail and header_length is None:
        header_length = str(len(head))
    return decode_request(head + tail, header_length)


def binary(datatype: str, shape: list[int], tail: bytes, size: object = None) -> InferRequest:
    parameters = {"binary_data_size": len(tail) if size is None else size}
    return read(request(datatype=datatype, shape=shape, data=None, parameters=parameters), tail)


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BOOL", [True, False, True]),
        *((f"{s}INT{b}", [0, 1, 2 ** (b - 1) - 1]) for s in ("", "U") for b in (8, 16, 32, 64)),
        ("UINT64", [0, 2**64 - 1, 1]),
        ("INT64", [-(2**63), 0, 1]),
        ("FP16", [0.5, -2, 65504]),
        ("FP32", [0.1, -2, 3]),
        ("FP64", [0.1, -2, 1e300]),
        ("BYTES", ["a", "", "é\N{SNOWMAN}"]),
    ],
)
@pytest.mark.parametrize("nested", [True, False])
def test_json_tensors_of_every_datatype(datatype: str, data: list[Any], nested: bool) -> None:
    document = request(datatype=datatype, data=[data] if nested else data)
    array = read(document).inputs[0].array
    assert array.dtype == np.dtype(DTYPES[datatype])
    assert array.shape == (1, 3)
    np.testing.assert_array_equal(array, np.array([data], dtype=DTYPES[datatype]))


@pytest.mark.parametrize(
    ("shape", "data"),
    [([], [5]), ([2, 2, 2], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]), ([0, 3], []), ([2, 0], [[], []])],
)
def test_json_tensors_of_every_rank(shape: list[int], data: list[Any]) -> None:
    array = read(request(shape=shape, data=data)).inputs[0].array
    assert array.shape == tuple(shape)
    assert array.reshape(-1).tolist() == np.array(data).reshape(-1).tolist()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": [2, 3]}, "3 elements.*6 elements"),
        ({"shape": [3, 1]}, None),
        ({"shape": [-1, 3]}, "-1.*whole numbers"),
        ({"shape": [1.0, 3]}, r"1\.0"),
        ({"shape": [True, 3]}, "True"),
        ({"shape": [2**63, 2**63]}, "enormous"),
        ({"shape": [2**31 - 1] * 32}, "elements"),
        ({"shape": [1] * 33}, "33 dimensions"),
        ({"shape": "1,3"}, "a list"),
        ({"shape": None}, "a list"),
        ({"name": 7}, "a string"),
        ({"name": None}, "a string"),
        ({"datatype": "FP8"}, "FP8"),
        ({"datatype": None}, "a string"),
        ({"data": None}, "a list"),
        ({"data": [1, 2]}, "2 elements"),
        ({"data": [1, 2, "3"]}, "str"),
        ({"data": [1, 2, None]}, "NoneType"),
        ({"data": [1, 2, True]}, "bool"),
        ({"data": [1, 2, {}]}, "dict"),
        ({"data": [[1, 2], [3]]}, "rows|elements"),
        ({"data": [[[1, 2, 3]]]}, "ragged"),
        ({"shape": [2, 2], "data": [[1, 2, 3], [4]]}, "ragged"),
        ({"shape": [2, 2], "data": [[1, 2], [3, 4], [5, 6]]}, "3 rows"),
        ({"shape": [2, 2], "data": [[1, 2], 3]}, "elements|list"),
        ({"shape": [1, 2, 2], "data": [[1, 2, 3, 4]]}, "ragged"),
        ({"datatype": "INT8", "data": [1, 2, 128]}, "INT8 cannot hold"),
        ({"datatype": "UINT8", "data": [1, 2, -1]}, "UINT8 cannot hold"),
        ({"datatype": "INT32", "data": [1, 2, 3.0]}, "float"),
        ({"datatype": "FP16", "data": [1, 2, 70000]}, "FP16 cannot hold"),
        ({"datatype": "FP32", "data": [1, 2, 1e39]}, "FP32 cannot hold"),
        ({"datatype": "FP64", "data": [1, 2, 10**400]}, "infinity"),
        ({"datatype": "BOOL", "data": [0, 1, 1]}, "int"),
        ({"datatype": "BYTES", "data": ["a", "b", 3]}, "int"),
        ({"datatype": "BYTES", "data": ["a", "b", "\ud800"]}, "surrogate"),
        ({"datatype": "BF16", "data": [1, 2, 3.4e38]}, "BF16 cannot hold"),
        ({"parameters": {"binary_data_size": 12}}, "both"),
        ({"parameters": {"shared_memory_region": "r"}}, "shared_memory_region"),
        ({"parameters": []}, "an object"),
    ],
)
def test_inputs_that_are_not_what_they_say(changes: dict[str, Any], words: str | None) -> None:
    if words is None:  # a flat list fits any shape of its size
        assert read(request(**changes)).inputs[0].array.shape == tuple(changes["shape"])
        return
    with pytest.raises(InvalidRequest, match=words):
        read(request(**changes))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"inputs"',
        b"\xff\xfe\x00",
        b'{"inputs": [NaN]}',
        b'{"inputs": [], "a": -Infinity}',
        b"[" * 100_000,
        b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"inputs": ' + b"9" * 5000 + b"}",
        b'{"inputs": null}',
        b'{"inputs": {}}',
        b'{"inputs": [7]}',
        b'{"inputs": [], "outputs": 7}',
        b'{"inputs": [], "outputs": [{}]}',
        b'{"inputs": [], "id": 7}',
        b'{"inputs": [], "id": "' + b"i" * 5000 + b'"}',
        b'{"inputs": [{"name": "' + b"n" * 5000 + b'", "datatype": "FP32", "shape": [0], "data": []}]}',
        b'{"inputs": [], "parameters": {"binary_data_output": 1}}',
        b'{"inputs": [], "outputs": [{"name": "y", "parameters": {"classification": -3}}]}',
        b'{"inputs": [], "outputs": [{"name": "y", "parameters": {"classification": "3"}}]}',
        b'{"inputs": [], "id": "\\ud800"}',
        b'{"inputs": [' + b"[]," * (1 << 20) + b"[]]}",
        b'{"inputs": [], "outputs": [{"name": "y"}, {"name": "y"}]}',
    ],
)
def test_bodies_that_are_no_request(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_request(body, None)


def test_numbers_that_overflow_a_float_are_refused() -> None:
    body = json.dumps(request()).replace("2.5", "1e999").encode()
    with pytest.raises(InvalidRequest, match="infinity"):
        decode_request(body, None)


def test_an_input_given_twice() -> None:
    document = request()
    document["inputs"] *= 2
    with pytest.raises(InvalidRequest, match="twice"):
        read(document)


@pytest.mark.parametrize("datatype", [d for d in DTYPES if d not in ("BYTES", "BF16")])
def test_binary_tensors_of_every_datatype(datatype: str) -> None:
    values = np.array([[0, 1, 1]]).astype(DTYPES[datatype])
    array = binary(datatype, [1, 3], values.tobytes()).inputs[0].array
    assert array.dtype == values.dtype
    np.testing.assert_array_equal(array, values)


def test_bfloat16_travels_as_its_bits() -> None:
    bits = np.array([0x3F80, 0x7F80, 0xFFC1], np.uint16)
    assert binary("BF16", [3], bits.tobytes()).inputs[0].array.tolist() == bits.tolist()


def test_not_a_number_is_fine_in_binary() -> None:
    values = np.array([np.nan, np.inf, -0.0], np.float32)
    assert binary("FP32", [3], values.tobytes()).inputs[0].array.tobytes() == values.tobytes()


def test_binary_strings() -> None:
    values = ["a", "", "é\N{SNOWMAN}"]
    tail = b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in values)
    array = binary("BYTES", [3, 1], tail).inputs[0].array
    assert array.tolist() == [[v] for v in values]


@pytest.mark.parametrize(
    ("datatype", "shape", "tail", "size"),
    [
        ("FP32", [1, 3], b"\0" * 11, None),
        ("FP32", [1, 3], b"\0" * 13, None),
        ("FP32", [1, 3], b"\0" * 12, 8),
        ("FP32", [1, 3], b"\0" * 12, 16),
        ("FP32", [1, 3], b"\0" * 12, -12),
        ("FP32", [1, 3], b"\0" * 12, 12.0),
        ("FP32", [1, 3], b"\0" * 12, True),
        ("FP32", [1, 3], b"\0" * 12, 10**30),
        ("FP32", [2**31 - 1] * 8, b"\0" * 12, None),
        ("BOOL", [3], b"\0\1\2", None),
        ("BYTES", [1], b"\5\0\0\0abc", None),
        ("BYTES", [1], b"\xff\xff\xff\xffabc", None),
        ("BYTES", [1], b"\1\0", None),
        ("BYTES", [2], b"\1\0\0\0a", None),
        ("BYTES", [1], b"\1\0\0\0a\1\0\0\0b", None),
        ("BYTES", [1], b"\1\0\0\0\xff", None),
        ("BYTES", [2**31 - 1, 2**31 - 1], b"\1\0\0\0a", None),
    ],
)
def test_binary_tensors_that_are_not_what_they_say(
    datatype: str, shape: list[int], tail: bytes, size: object
) -> None:
    with pytest.raises(InvalidRequest):
        binary(datatype, shape, tail, size)


@pytest.mark.parametrize("length", ["", "0", "-1", "+5", "1_0", "5.0", "99999", "٣", "9" * 5000, "abc"])
def test_header_lengths_that_lie(length: str) -> None:
    with pytest.raises(InvalidRequest, match="Inference-Header-Content-Length"):
        read(request(), header_length=length)


def test_a_header_length_that_cuts_the_json() -> None:
    body = json.dumps(request()).encode()
    with pytest.raises(InvalidRequest):
        decode_request(body, str(len(body) - 5))


def test_bytes_that_no_input_claims() -> None:
    with pytest.raises(InvalidRequest, match="5 bytes behind"):
        read(request(), b"extra")


def test_absurd_empty_shapes_do_not_allocate() -> None:
    document = request(shape=[0, 2**31 - 1, 2**31 - 1, 2**31 - 1], data=[])
    with pytest.raises(InvalidRequest):
        read(document)


def test_inputs_take_their_bytes_in_order() -> None:
    first, second = np.arange(3, dtype=np.int32), np.arange(2, dtype=np.float64)
    document = {
        "inputs": [
            {"name": "a", "datatype": "INT32", "shape": [3], "parameters": {"binary_data_size": 12}},
            {"name": "b", "datatype": "INT8", "shape": [1], "data": [7]},
            {"name": "c", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}},
        ]
    }
    read_inputs = read(document, first.tobytes() + second.tobytes()).inputs
    assert [tensor.array.tolist() for tensor in read_inputs] == [[0, 1, 2], [7], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"name": "z"}, InvalidInput, "x, z"),
        ({"datatype": "FP64"}, InvalidRequest, "FP64.*FP32"),
        ({"shape": [3, 1]}, InvalidInput, r"\[3,1\].*\[\?,3\]"),
        ({"shape": [3]}, InvalidInput, r"\[3\]"),
    ],
)
def test_requests_for_another_model(changes: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        to_feeds(read(request(**changes)), SPECS)


def test_raw_bits_of_the_same_width_are_not_taken_for_bfloat16() -> None:
    specs = (TensorSpec(name="x", dtype="bfloat16", shape=(3,)),)
    with pytest.raises(InvalidRequest, match="UINT16"):
        to_feeds(read(request(datatype="UINT16", shape=[3], data=[1, 2, 3])), specs)


def answered(asked: dict[str, Any], array: np.ndarray[Any, Any], dtype: str) -> tuple[dict[str, Any], bytes]:
    specs = (TensorSpec(name="y", dtype=dtype, shape=(None,)),)
    response = answer(read({"inputs": [], **asked}), {"y": array}, specs, model_name="m", model_version="1")
    encoded = encode_response(response)
    length = encoded.header_length or len(encoded.body)
    return json.loads(encoded.body[:length]), encoded.body[length:]


def test_answers_as_json() -> None:
    document, tail = answered({"id": "\N{SNOWMAN}é"}, np.array([0.5, 2], np.float32), "float32")
    assert tail == b""
    assert document == {
        "model_name": "m",
        "model_version": "1",
        "id": "\N{SNOWMAN}é",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [0.5, 2.0]}],
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "y", "parameters": {"binary_data": True}}]},
    ],
)
def test_answers_as_bytes(asked: dict[str, Any]) -> None:
    document, tail = answered(asked, np.array([0.5, np.nan], np.float32), "float32")
    assert document["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert "id" not in document
    assert "data" not in document["outputs"][0]
    assert tail == np.array([0.5, np.nan], np.float32).tobytes()


def test_an_output_may_differ_from_the_requests_default() -> None:
    asked = {
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "y", "parameters": {"binary_data": False}}],
    }
    document, tail = answered(asked, np.array([1], np.int8), "int8")
    assert (document["outputs"][0]["data"], tail) == ([1], b"")


def test_strings_are_answered_both_ways() -> None:
    array = np.array(["é", ""], dtype=object)
    assert answered({}, array, "object")[0]["outputs"][0]["data"] == ["é", ""]
    tail = answered({"parameters": {"binary_data_output": True}}, array, "object")[1]
    assert tail == b"\2\0\0\0\xc3\xa9\0\0\0\0"


@pytest.mark.parametrize(
    ("array", "dtype"),
    [(np.array([np.nan], np.float32), "float32"), (np.array([0x7F80], np.uint16), "bfloat16")],
)
def test_answers_that_json_cannot_carry(array: np.ndarray[Any, Any], dtype: str) -> None:
    with pytest.raises(InvalidRequest, match="binary"):
        answered({}, array, dtype)


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies(encoding: str, compress: Any) -> None:
    body = b"body" * 1000
    assert decompress(compress(body), encoding, len(body)) == body
    with pytest.raises(BodyTooLarge):
        decompress(compress(body), encoding, len(body) - 1)
    with pytest.raises(InvalidRequest, match="cut or padded"):
        decompress(compress(body)[:-1], encoding, len(body))
    with pytest.raises(InvalidRequest, match="cut or padded"):
        decompress(compress(body) + b"more", encoding, len(body))
    with pytest.raises(InvalidRequest):
        decompress(b"not compressed", encoding, 100)
    with pytest.raises(InvalidRequest):
        decompress(b"", encoding, 100)


def test_a_bomb_is_not_opened() -> None:
    bomb = gzip.compress(bytes(200 << 20), compresslevel=1)
    assert len(bomb) < 2 << 20
    with pytest.raises(BodyTooLarge, match="1000 bytes"):
        decompress(bomb, "gzip", 1000)


def test_encodings() -> None:
    assert decompress(b"x", "", 1) == decompress(b"x", "identity", 1) == b"x"
    with pytest.raises(UnsupportedEncoding, match="br"):
        decompress(b"x", "br", 1)
