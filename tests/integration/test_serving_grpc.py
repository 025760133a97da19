"""The gRPC surface, spoken to by NVIDIA's client: what it is told, what it infers, what it is refused."""

import asyncio
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from onnx import helper
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from burnish_engine.descriptor import TensorSpec
from burnish_serving.protocol.datatypes import DATATYPES
from support.onnx_models import DTYPES, model_of, write_adder, write_running_engine
from support.servers import Server, running_server

pytestmark = pytest.mark.integration

ONES = np.ones((1, 3), np.float32)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = write_adder(tmp_path_factory.mktemp("adder") / "engine")
    with running_server(str(folder), max_body_bytes=1 << 20) as running:
        running.logged("ready")
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as made:
        yield made


def tensor(name: str, array: np.ndarray[Any, Any], datatype: str = "") -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), datatype or np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array)
    return made


def adding(array: np.ndarray[Any, Any]) -> list[triton.InferInput]:
    return [tensor("a", array), tensor("b", array)]


def test_triton_reads_what_the_server_says(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "1")
    assert not client.is_model_ready("tiny", "2")
    assert not client.is_model_ready("other")
    told = client.get_server_metadata(as_json=True)
    assert (told["name"], "binary_tensor_data" in told["extensions"]) == ("burnish", True)
    metadata = client.get_model_metadata("tiny")
    assert [item.name for item in metadata.inputs] == ["a", "b"]
    assert list(metadata.outputs[0].shape) == [-1, 3]
    config = client.get_model_config("tiny", as_json=True)["config"]
    assert config["input"][0] == {"name": "a", "data_type": "TYPE_FP32", "dims": ["-1", "3"]}
    index = client.get_model_repository_index(as_json=True)
    assert index["models"] == [{"name": "tiny", "version": "1", "state": "READY"}]


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_triton_infers(client: triton.InferenceServerClient, compression: str | None) -> None:
    a = np.random.default_rng(0).random((4, 3), np.float32)
    result = client.infer(
        "tiny",
        [tensor("a", a), tensor("b", a + 1)],
        outputs=[triton.InferRequestedOutput("product")],
        request_id="42",
        compression_algorithm=compression,
        client_timeout=30,
        headers={"x-request": "7"},
        parameters={"anything": 7},
    )
    np.testing.assert_array_equal(result.as_numpy("product"), a * (a + 1))
    assert result.as_numpy("sum") is None
    assert result.get_response().id == "42"


def test_triton_gets_all_outputs_by_default_and_is_counted(
    client: triton.InferenceServerClient, server: Server
) -> None:
    result = client.infer("tiny", adding(ONES), model_version="1")
    assert result.as_numpy("sum").tolist() == [[2, 2, 2]]
    assert result.as_numpy("product").tolist() == [[1, 1, 1]]
    for name in ("tiny", ""):
        (statistics,) = client.get_inference_statistics(name).model_stats
        assert statistics.inference_stats.success.count == statistics.inference_count > 0
        assert statistics.inference_stats.compute_infer.ns > 0
    counted = 'burnish_request_duration_seconds_count{code="OK",model="tiny",protocol="grpc"}'
    assert counted in server.metrics()


def test_triton_asks_beside_the_others(server: Server) -> None:
    async def scenario() -> list[Any]:
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as own:
            assert await own.is_server_live()
            assert await own.is_model_ready("tiny")
            assert (await own.get_server_metadata()).name == "burnish"
            asked = [own.infer("tiny", adding(ONES * n), request_id=str(n)) for n in range(20)]
            return await asyncio.gather(*asked)

    results = asyncio.run(scenario())
    assert [result.as_numpy("sum").tolist() for result in results] == [[[2.0 * n] * 3] for n in range(20)]
    assert [result.get_response().id for result in results] == [str(n) for n in range(20)]


def test_triton_sends_and_does_not_wait(client: triton.InferenceServerClient) -> None:
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.async_infer("tiny", adding(ONES), callback=lambda result, error: answers.put(error or result))
    assert answers.get(timeout=30).as_numpy("sum").tolist() == [[2, 2, 2]]


@pytest.mark.parametrize(
    ("model", "inputs", "code"),
    [
        ("other", {"a": ONES, "b": ONES}, "NOT_FOUND"),
        ("tiny", {"a": ONES}, "INVALID_ARGUMENT"),
        ("tiny", {"a": ONES, "b": ONES, "c": ONES}, "INVALID_ARGUMENT"),
        ("tiny", {"a": ONES, "b": ONES.astype(np.float64)}, "INVALID_ARGUMENT"),
        ("tiny", {"a": ONES, "b": np.ones((1, 4), np.float32)}, "INVALID_ARGUMENT"),
        ("tiny", {"a": ONES, "b": np.ones((1 << 17, 3), np.float32)}, "RESOURCE_EXHAUSTED"),
    ],
)
def test_triton_is_told_what_is_wrong(
    client: triton.InferenceServerClient, model: str, inputs: dict[str, np.ndarray[Any, Any]], code: str
) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor(name, array) for name, array in inputs.items()])
    assert caught.value.status() == f"StatusCode.{code}"
    assert len(caught.value.message()) > 20
    assert client.infer("tiny", adding(ONES)).as_numpy("sum") is not None


def test_an_output_that_is_not_there(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="nothing") as caught:
        client.infer("tiny", adding(ONES), outputs=[triton.InferRequestedOutput("nothing")])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_triton_gets_classes(client: triton.InferenceServerClient) -> None:
    array = np.array([[1, 3, 2]], np.float32)
    outputs = [triton.InferRequestedOutput("sum", class_count=2)]
    result = client.infer("tiny", adding(array), outputs=outputs)
    assert result.as_numpy("sum").tolist() == [[b"6.0:1", b"4.0:2"]]


def test_a_request_is_told_of_in_the_access_log(tmp_path: Path) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    with running_server(str(write_adder(tmp_path / "engine")), access_log=True) as running:
        running.logged("ready")
        with triton.InferenceServerClient(f"127.0.0.1:{running.grpc_port}") as own:
            parent = f"00-{trace_id}-b7ad6b7169203331-01"
            own.infer("tiny", adding(ONES), request_id="7", headers={"traceparent": parent})
        line = running.logged("request")
    assert (line["protocol"], line["code"], line["model"], line["id"]) == ("grpc", "OK", "tiny", "7")
    assert line["trace_id"] == trace_id
    assert min(line["request_bytes"], line["response_bytes"], line["compute_seconds"]) > 0


def test_extensions_that_are_not_served_say_so(client: triton.InferenceServerClient) -> None:
    calls = [
        client.get_system_shared_memory_status,
        lambda: client.register_system_shared_memory("region", "/key", 64),
        client.unregister_system_shared_memory,
        client.get_cuda_shared_memory_status,
        lambda: client.register_cuda_shared_memory("region", b"aGFuZGxl", 0, 64),
        client.unregister_cuda_shared_memory,
        client.get_trace_settings,
        client.get_log_settings,
    ]
    for call in calls:
        with pytest.raises(InferenceServerException, match="not served") as caught:
            call()
        assert caught.value.status() == "StatusCode.UNIMPLEMENTED"
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        client.get_model_metadata("other")
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        client.get_model_config("tiny", "2")


def test_a_stream_answers_in_order_and_survives_what_is_wrong(client: triton.InferenceServerClient) -> None:
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.start_stream(callback=lambda result, error: answers.put(error or result))
    for number in range(40):
        array = np.full((1 + number % 3, 3), number, np.float32)
        client.async_stream_infer(
            "tiny" if number != 7 else "other",
            adding(array),
            request_id=str(number),
            enable_empty_final_response=True,
        )
    found = [answers.get(timeout=60) for _ in range(40)]
    client.stop_stream()
    assert isinstance(found.pop(7), InferenceServerException)
    assert [result.get_response().id for result in found] == [str(n) for n in range(40) if n != 7]
    assert all(result.get_response().parameters["triton_final_response"].bool_param for result in found)
    assert all((result.as_numpy("sum") == 2 * int(result.get_response().id)).all() for result in found)


def test_a_stream_of_large_requests(client: triton.InferenceServerClient) -> None:
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.start_stream(callback=lambda result, error: answers.put(error or result))
    for number in range(12):
        array = np.full((30_000 if number % 3 else 2, 3), number, np.float32)
        client.async_stream_infer("tiny", adding(array), request_id=str(number))
    found = [answers.get(timeout=60) for _ in range(12)]
    client.stop_stream()
    assert [result.get_response().id for result in found] == [str(n) for n in range(12)]
    assert all((result.as_numpy("sum") == 2 * n).all() for n, result in enumerate(found))


def test_a_stream_beside_the_others(server: Server) -> None:
    async def scenario() -> list[Any]:
        async def requests() -> Any:
            for number in range(10):
                yield {"model_name": "tiny", "inputs": adding(ONES * number), "request_id": str(number)}

        async with triton_aio.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as own:
            return [answer async for answer in own.stream_infer(requests())]

    answers = asyncio.run(scenario())
    assert [error for _, error in answers] == [None] * 10
    assert [result.as_numpy("sum")[0, 0] for result, _ in answers] == [2.0 * n for n in range(10)]


def giving_back(folder: Path, dtypes: list[str]) -> Path:
    """An engine that gives back what it gets, with an input of each element type."""
    inputs, outputs = (
        tuple(TensorSpec(name=f"{side}_{dtype}", dtype=dtype, shape=(None, 3)) for dtype in dtypes)
        for side in ("in", "out")
    )
    nodes = [helper.make_node("Identity", [f"in_{dtype}"], [f"out_{dtype}"]) for dtype in dtypes]
    return write_running_engine(folder, model_of(nodes, inputs, outputs), inputs, outputs)


def values(dtype: str) -> np.ndarray[Any, Any]:
    if dtype == "object":
        return np.array([["a", "", "\N{SNOWMAN}"], ["b", "c", "d" * 300]], dtype=object)
    return np.array([[0, 1, 0], [1, 1, 1]]).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


# ONNX Runtime takes strings and BF16 in different ways, and never both at once.
@pytest.mark.parametrize(
    "dtypes", [["object"], [d for d in DTYPES if d != "object"]], ids=["BYTES", "others"]
)
def test_every_datatype_through_triton(tmp_path: Path, dtypes: list[str]) -> None:
    with running_server(str(giving_back(tmp_path / "engine", dtypes))) as running:
        running.logged("ready")
        with triton.InferenceServerClient(f"127.0.0.1:{running.grpc_port}") as own:
            for rows in (2, 0):
                sent = {dtype: values(dtype)[:rows] for dtype in dtypes}
                result = own.infer("tiny", [tensor(f"in_{d}", a, DATATYPES[d]) for d, a in sent.items()])
                for dtype, array in sent.items():
                    found = result.as_numpy(f"out_{dtype}")
                    assert found.shape == array.shape
                    texts = [value.decode() for value in found.reshape(-1)] if dtype == "object" else None
                    assert (texts or found.reshape(-1).tolist()) == array.reshape(-1).tolist()
