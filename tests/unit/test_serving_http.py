"""What HTTP adds to the protocol: methods, encodings, classification, and the document about all of it."""

import asyncio
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest

from burnish_serving.app import create_router
from burnish_serving.errors import InvalidRequest, Overloaded
from burnish_serving.http import openapi
from burnish_serving.http.body import ALIGNMENT_BYTES, aligned
from burnish_serving.http.budget import ByteBudget
from burnish_serving.http.operations import OPERATIONS, Operation
from burnish_serving.models import Models
from burnish_serving.protocol.bfloat16 import narrow, widen
from burnish_serving.protocol.classification import classify
from burnish_serving.protocol.compression import LARGE_JSON_BYTES, answer_encoding
from support.houses import ADD, House, post, talk
from support.onnx_models import write_adder

INFER = "/v2/models/tiny/infer"


def conforms(document: Any, name: str) -> None:
    """The document is what the OpenAPI document says of this schema."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": openapi.document()["components"]}
    jsonschema.validate(document, schema, jsonschema.Draft202012Validator)


def filled(operation: Operation) -> str:
    return operation.path.format(model="tiny", version="1")


def test_the_router_serves_what_the_document_describes_and_nothing_else() -> None:
    routes = {
        (method, route.path)
        for route in create_router(Models()).routes
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }
    described = {
        (method.upper(), path) for path, item in openapi.document()["paths"].items() for method in item
    }
    assert routes - {("GET", "/v2/")} == described == {(o.method, o.path) for o in OPERATIONS}


def test_names_in_the_document_are_unique_and_every_schema_is_there() -> None:
    document = openapi.document()
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references == set(document["components"]["schemas"])
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_operation_answers_what_the_document_says(tmp_path: Path) -> None:
    async def speak(http: httpx.AsyncClient) -> None:
        for operation in OPERATIONS:
            body = ADD if operation.takes else None
            answer = await http.request(operation.method, filled(operation), json=body)
            # Engines are changed only where the server is started for it (tests of swaps).
            is_closed = operation.name in ("load", "unload")
            assert answer.status_code == (403 if is_closed else 200)
            conforms(answer.json(), "Error" if is_closed else operation.gives)
        conforms(ADD, "InferenceRequest")
        assert (await http.get("/v2/openapi.json")).json() == openapi.document()
        assert (await http.get("/v2/")).json()["name"] == "burnish"
        assert (await http.get("/v2/models")).json() == {"models": ["tiny"]}

    talk(House(write_adder(tmp_path)), speak)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
def test_other_methods_are_refused_with_those_that_are_allowed(tmp_path: Path, operation: Operation) -> None:
    async def speak(http: httpx.AsyncClient) -> None:
        wrong = await http.request("DELETE", filled(operation))
        assert wrong.status_code == 405
        conforms(wrong.json(), "Error")
        options = await http.request("OPTIONS", filled(operation))
        assert options.status_code == 200
        for answer in (wrong, options):
            assert {operation.method, "OPTIONS"} <= set(answer.headers["Allow"].split(", "))
        head = await http.head(filled(operation))
        assert head.status_code == (200 if operation.method == "GET" else 405)

    talk(House(write_adder(tmp_path)), speak)


@pytest.mark.parametrize("path", ["/v2/models/tiny/infer%0a", "/v2/models/tiny/infer/", "/v2/models//infer"])
def test_paths_that_look_like_inference(tmp_path: Path, path: str) -> None:
    assert post(House(write_adder(tmp_path)), path, json=ADD).status_code == 404


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip", "gzip"), ("deflate", "deflate"), ("gzip;q=0.5, identity", "gzip"), ("gzip, deflate", None)],
)
def test_an_answer_is_compressed_for_who_names_one_coding(
    tmp_path: Path, accepted: str, coding: str | None
) -> None:
    answer = post(House(write_adder(tmp_path)), INFER, json=ADD, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.json()["outputs"][0]["data"] == [2, 4, 6]


@pytest.mark.parametrize(("coding", "opened"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_binary_answers_keep_their_header_length_when_compressed(
    tmp_path: Path, coding: str, opened: Any
) -> None:
    asked = ADD | {"parameters": {"binary_data_output": True}}
    house = House(write_adder(tmp_path))
    answer = post(house, INFER, json=asked, headers={"Accept-Encoding": coding})
    length = int(answer.headers["Inference-Header-Content-Length"])
    assert json.loads(answer.content[:length])["outputs"][0]["parameters"] == {"binary_data_size": 12}
    assert np.frombuffer(answer.content[length:], np.float32).tolist() == [2, 4, 6, 1, 4, 9]


@pytest.mark.parametrize(
    ("accepted", "is_json", "size", "coding"),
    [
        ("", True, LARGE_JSON_BYTES, None),
        ("gzip, deflate, br, zstd", True, LARGE_JSON_BYTES, "gzip"),
        ("gzip, deflate, br, zstd", True, LARGE_JSON_BYTES - 1, None),
        ("gzip, deflate, br, zstd", False, 1 << 30, None),
        ("gzip;q=0.1, deflate;q=0.9", True, LARGE_JSON_BYTES, "deflate"),
        ("gzip;q=0, deflate", False, 1, "deflate"),
        ("gzip;q=0", True, 1 << 30, None),
        ("gzip;q=nonsense", True, 1 << 30, None),
        ("br", True, 1 << 30, None),
        ("*", True, 1 << 30, None),
        ("GZIP", False, 1, "gzip"),
        (";;;,,,=", True, 1 << 30, None),
    ],
)
def test_how_an_answer_is_compressed(accepted: str, is_json: bool, size: int, coding: str | None) -> None:
    assert answer_encoding(accepted, is_json=is_json, size_bytes=size) == coding


def test_classification_over_http(tmp_path: Path) -> None:
    outputs = [
        {"name": "sum", "parameters": {"classification": 2}},
        {"name": "product", "parameters": {"classification": 9, "binary_data": True}},
    ]
    answer = post(House(write_adder(tmp_path)), INFER, json=ADD | {"outputs": outputs})
    length = int(answer.headers["Inference-Header-Content-Length"])
    first, second = json.loads(answer.content[:length])["outputs"]
    assert first == {"name": "sum", "datatype": "BYTES", "shape": [1, 2], "data": ["6.0:2", "4.0:1"]}
    assert (second["datatype"], second["shape"]) == ("BYTES", [1, 3])
    assert answer.content[length:] == b"\5\0\0\x009.0:2\5\0\0\x004.0:1\5\0\0\x001.0:0"


@pytest.mark.parametrize(
    ("array", "datatype", "classes", "found"),
    [
        (np.array([0.5, np.nan, 2, 2], np.float32), "FP32", 4, ["2.0:2", "2.0:3", "0.5:0", "nan:1"]),
        (np.array([-np.inf, np.nan], np.float64), "FP64", 1, ["-inf:0"]),
        (np.array([[1, 3], [9, 2]], np.int64), "INT64", 1, [["3:1"], ["9:0"]]),
        (np.array([0, 255], np.uint8), "UINT8", 5, ["255:1", "0:0"]),
        (np.array([[[1], [3]]], np.float16), "FP16", 1, [["3.0:1"]]),
        (np.array([0x3F80, 0xC000], np.uint16), "BF16", 1, ["1.0:0"]),
        (np.zeros((3, 0), np.float32), "FP32", 2, [[], [], []]),
        (np.zeros((0, 3), np.float32), "FP32", 2, []),
    ],
)
def test_the_best_classes_come_first(
    array: np.ndarray[Any, Any], datatype: str, classes: int, found: list[Any]
) -> None:
    assert classify(array, datatype, classes, "y").tolist() == found


@pytest.mark.parametrize(
    ("array", "datatype"),
    [(np.array(["a"], object), "BYTES"), (np.array([True]), "BOOL"), (np.float32(1).reshape(()), "FP32")],
)
def test_what_has_no_order_cannot_be_classified(array: np.ndarray[Any, Any], datatype: str) -> None:
    with pytest.raises(InvalidRequest, match="classify"):
        classify(array, datatype, 1, "y")


@pytest.mark.parametrize("offset", [0, 1, 63, 64, 145])
def test_tensors_of_a_body_lie_aligned(offset: int) -> None:
    memory = aligned(1000, offset)
    address = np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
    assert (address + offset) % ALIGNMENT_BYTES == 0
    assert (len(memory), memory.readonly) == (1000, False)


@pytest.mark.parametrize(
    ("value", "bits"),
    [
        (1.0, 0x3F80),
        (-2.0, 0xC000),
        (-0.0, 0x8000),
        (1.00390625, 0x3F80),  # halfway: to even
        (1.00390625 + 2**-40, 0x3F81),  # beyond half by what float32 cannot tell
        (1.01171875 - 2**-40, 0x3F81),
        (3.3895313892515355e38, 0x7F7F),
        (3.4e38, 0x7F80),
        (1e300, 0x7F80),
        (1e-45, 0x0000),
        (9.2e-41, 0x0001),
    ],
)
def test_numbers_become_the_nearest_bfloat16(value: float, bits: int) -> None:
    with np.errstate(over="ignore"):
        assert narrow(np.array([value]))[0] == bits


def test_bfloat16_survives_the_way_there_and_back() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    finite = bits[np.isfinite(widen(bits))]
    np.testing.assert_array_equal(narrow(widen(finite).astype(np.float64)), finite)


def test_bodies_in_memory_are_bounded_together() -> None:
    budget = ByteBudget(10)
    with budget.holding() as first, budget.holding() as second:
        first(4)
        second(6)
        with pytest.raises(Overloaded, match="10 bytes of requests"):
            first(1)
        assert budget.held_bytes == 10
    assert budget.held_bytes == 0


@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_for_which_there_is_no_room_is_refused_for_now(tmp_path: Path, compressed: bool) -> None:
    house = House(write_adder(tmp_path), max_inflight_bytes=400)
    body = json.dumps(ADD | {"id": "i" * 500}).encode()
    headers = {"Content-Encoding": "gzip"} if compressed else {}

    async def speak(http: httpx.AsyncClient) -> None:
        content = gzip.compress(body) if compressed else body
        refused = await http.post(INFER, content=content, headers=headers)
        assert refused.status_code in (429, 503)
        assert refused.headers["Retry-After"]
        assert (await http.post(INFER, json=ADD)).status_code == 200

    talk(house, speak)


def test_large_json_is_decoded_off_the_loop_and_answered_right(tmp_path: Path) -> None:
    rows = 20_000
    shared = {"datatype": "FP32", "shape": [rows, 3], "data": [0.5] * 3 * rows}
    tensors = [{"name": name, **shared} for name in "ab"]
    answers: list[Any] = []

    async def speak(http: httpx.AsyncClient) -> None:
        asked = [http.post(INFER, json={"inputs": tensors, "id": str(n)}) for n in range(3)]
        answers.extend([answer.json() for answer in await asyncio.gather(*asked)])

    talk(House(write_adder(tmp_path)), speak)
    assert [answer["id"] for answer in answers] == ["0", "1", "2"]
    assert all(answer["outputs"][1]["data"] == [0.25] * 3 * rows for answer in answers)
