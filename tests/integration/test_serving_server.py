"""The server as a process, spoken to by NVIDIA's client, by curl-like clients and by enemies."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from burnish_engine.descriptor import ENGINE_FILE, REPORT_FILE, TensorSpec
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from burnish_engine.request import Backend
from burnish_engine.store import push_engine
from support.onnx_models import (
    CPU_BACKENDS,
    LOOP_INPUTS,
    LOOP_OUTPUTS,
    identity,
    long_loop,
    write_adder,
    write_running_engine,
)
from support.registry import running_registry
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
    with triton.InferenceServerClient(f"127.0.0.1:{server.http_port}") as made:
        yield made


def tensor(name: str, array: np.ndarray[Any, Any], *, binary: bool = True) -> triton.InferInput:
    from tritonclient.utils import np_to_triton_dtype

    made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def test_triton_reads_what_the_server_says(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "burnish"
    metadata = client.get_model_metadata("tiny")
    assert [item["name"] for item in metadata["inputs"]] == ["a", "b"]
    assert metadata["outputs"][0]["shape"] == [-1, 3]
    assert client.get_model_config("tiny")["input"][0]["data_type"] == "TYPE_FP32"
    assert client.get_model_repository_index()[0]["state"] == "READY"


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_triton_infers(
    client: triton.InferenceServerClient, binary_in: bool, binary_out: bool, compression: str | None
) -> None:
    a = np.random.default_rng(0).random((4, 3), np.float32)
    result = client.infer(
        "tiny",
        [tensor("a", a, binary=binary_in), tensor("b", a + 1, binary=binary_in)],
        outputs=[triton.InferRequestedOutput("product", binary_data=binary_out)],
        request_id="42",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    np.testing.assert_array_equal(result.as_numpy("product"), a * (a + 1))
    assert result.as_numpy("sum") is None
    assert result.get_response()["id"] == "42"


def test_triton_gets_all_outputs_by_default(client: triton.InferenceServerClient) -> None:
    result = client.infer("tiny", [tensor("a", ONES), tensor("b", ONES)], model_version="1")
    assert result.as_numpy("sum").tolist() == [[2, 2, 2]]
    assert result.as_numpy("product").tolist() == [[1, 1, 1]]
    assert client.get_inference_statistics("tiny")["model_stats"][0]["inference_count"] > 0


def test_triton_classifies(client: triton.InferenceServerClient) -> None:
    a = np.array([[1, 3, 2], [9, 7, 8]], np.float32)
    for binary in (True, False):
        wanted = [triton.InferRequestedOutput("sum", class_count=2, binary_data=binary)]
        found = client.infer("tiny", [tensor("a", a), tensor("b", a)], outputs=wanted).as_numpy("sum")
        texts = [[text.decode() if binary else text for text in row] for row in found]
        assert texts == [["6.0:1", "4.0:2"], ["18.0:0", "16.0:2"]]


def test_triton_infers_without_waiting(server: Server) -> None:
    with triton.InferenceServerClient(f"127.0.0.1:{server.http_port}", concurrency=4) as many:
        asked = [many.async_infer("tiny", [tensor("a", ONES * n), tensor("b", ONES)]) for n in range(20)]
        for number, request in enumerate(asked):
            assert request.get_result().as_numpy("product").tolist() == [[number] * 3]


def test_triton_on_an_event_loop(server: Server) -> None:
    async def speak() -> None:
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{server.http_port}") as own:
            assert await own.is_server_live()
            assert await own.is_server_ready()
            assert await own.is_model_ready("tiny", "1")
            assert (await own.get_server_metadata())["name"] == "burnish"
            assert (await own.get_model_metadata("tiny"))["versions"] == ["1"]
            assert (await own.get_model_config("tiny"))["output"][0]["name"] == "sum"
            assert (await own.get_model_repository_index())[0]["name"] == "tiny"
            statistics = await own.get_inference_statistics("tiny")
            counted = statistics["model_stats"][0]["inference_stats"]
            assert counted["compute_output"]["count"] == counted["success"]["count"]
            outputs = [triton_aio.InferRequestedOutput("sum", binary_data=False)]
            for coding in (None, "gzip", "deflate"):
                result = await own.infer(
                    "tiny",
                    [tensor("a", ONES), tensor("b", ONES)],
                    outputs=outputs,
                    request_compression_algorithm=coding,
                    response_compression_algorithm=coding,
                )
                assert result.as_numpy("sum").tolist() == [[2, 2, 2]]
            with pytest.raises(InferenceServerException, match="no such model"):
                await own.infer("other", [tensor("a", ONES)])

    asyncio.run(speak())


@pytest.mark.parametrize(
    ("model", "inputs", "status"),
    [
        ("other", {"a": ONES, "b": ONES}, "404"),
        ("tiny", {"a": ONES}, "400"),
        ("tiny", {"a": ONES, "b": ONES, "c": ONES}, "400"),
        ("tiny", {"a": ONES, "b": ONES.astype(np.float64)}, "400"),
        ("tiny", {"a": ONES, "b": np.ones((1, 4), np.float32)}, "400"),
        ("tiny", {"a": ONES, "b": np.ones(3, np.float32)}, "400"),
        ("tiny", {"a": np.ones((2, 3), np.float32), "b": np.ones((7, 3), np.float32)}, ("400", "500")),
        ("tiny", {"a": ONES, "b": np.ones((1 << 17, 3), np.float32)}, "413"),
    ],
)
def test_triton_is_told_what_is_wrong(
    client: triton.InferenceServerClient,
    model: str,
    inputs: dict[str, np.ndarray[Any, Any]],
    status: str | tuple[str, ...],
) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor(name, array) for name, array in inputs.items()])
    assert caught.value.status() in status
    assert len(caught.value.message()) > 20


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_every_backend_answers_many_clients_at_once(tmp_path: Path, backend: Backend) -> None:
    with running_server(str(write_adder(tmp_path / "engine", backend))) as running:
        running.logged("ready")

        def ask(number: int) -> bool:
            with triton.InferenceServerClient(f"127.0.0.1:{running.http_port}") as own:
                a = np.full((number + 1, 3), number, np.float32)
                sums = [own.infer("tiny", [tensor("a", a), tensor("b", a)]) for _ in range(20)]
                return all(np.array_equal(result.as_numpy("sum"), a * 2) for result in sums)

        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(ask, range(4)))


def test_strings_through_triton(tmp_path: Path) -> None:
    x, y = (TensorSpec(name=name, dtype="object", shape=(None, 3)) for name in "xy")
    folder = write_running_engine(tmp_path / "engine", identity("object"), (x,), (y,))
    texts = np.array([["a", "", "é"]], dtype=object)
    with running_server(str(folder)) as running:
        running.logged("ready")
        with triton.InferenceServerClient(f"127.0.0.1:{running.http_port}") as own:
            result = own.infer("tiny", [tensor("x", texts)]).as_numpy("y")
    assert [value.decode() for value in result[0]] == texts[0].tolist()


def test_an_engine_is_pulled_by_digest_and_cached(tmp_path: Path) -> None:
    folder, cache = write_adder(tmp_path / "engine"), tmp_path / "cache"
    (folder / REPORT_FILE).write_text("{}")
    with running_registry(tmp_path) as address, RegistryClient() as registry:
        pushed = push_engine(registry, Reference.parse(f"{address}/engines:v1"), folder)
        reference = f"oci://{address}/engines@{pushed.digest}"
        with running_server(reference, cache=str(cache)) as running:
            assert running.logged("ready")["digest"] == pushed.digest
            assert f'digest="{pushed.digest}"' in running.metrics()
    # The registry is gone: what was pulled still serves, as long as it is what was pulled.
    with running_server(reference, cache=str(cache)) as running:
        running.logged("ready")
    (descriptor,) = cache.glob(f"*/engine/{ENGINE_FILE}")
    descriptor.write_bytes(descriptor.read_bytes() + b" ")
    with running_server(reference, cache=str(cache)) as running:
        running.logged("a cached engine is damaged, and fetched again")
        assert httpx.get(f"{running.url}/v2/health/live").status_code == 200
        assert httpx.get(f"{running.url}/v2/health/ready").status_code == 503
        assert httpx.post(f"{running.url}/v2/models/tiny/infer", content=b"{}").status_code == 503
        running.terminate()
        assert running.exit_code() == 0


@pytest.mark.parametrize("engine", ["/nowhere", "oci://127.0.0.1:9/UPPER@sha256:1"])
def test_an_engine_that_is_none_ends_the_server_with_its_reason(engine: str) -> None:
    with running_server(engine) as running:
        assert running.exit_code() == 1
    assert engine in "".join(running.text)


def test_a_port_that_is_taken_ends_the_server(tmp_path: Path, server: Server) -> None:
    with running_server(str(write_adder(tmp_path / "engine")), metrics_port=server.metrics_port) as running:
        assert running.exit_code() == 1
    assert "an address to listen on" in "".join(running.text)


def turns(count: int) -> dict[str, Any]:
    return {"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [count]}]}


def loop_engine(folder: Path) -> str:
    return str(write_running_engine(folder, long_loop(), LOOP_INPUTS, LOOP_OUTPUTS))


def test_a_slow_request_is_answered_through_the_drain(tmp_path: Path) -> None:
    with running_server(loop_engine(tmp_path / "engine"), drain_seconds=30) as running:
        running.logged("ready")
        answers: list[httpx.Response] = []
        url = f"{running.url}/v2/models/tiny/infer"
        asking = threading.Thread(
            target=lambda: answers.append(httpx.post(url, json=turns(3_000_000), timeout=60))
        )
        asking.start()
        while 'in_flight{model="tiny"} 1.0' not in running.metrics():
            pass
        running.terminate()
        assert running.logged("draining")["in_flight"] == 1
        assert httpx.get(f"{running.url}/v2/health/ready").status_code == 503
        assert httpx.post(url, json=turns(1), timeout=60).status_code == 200
        asking.join(timeout=60)
        assert running.exit_code() == 0
        assert running.logged("stopped")
    assert [answer.json()["outputs"][0]["data"] for answer in answers] == [[3_000_000.0]]


def test_no_request_is_lost_while_the_server_goes_away(tmp_path: Path) -> None:
    """Clients ask, each on a new connection, for as long as the server says that it is ready.

    As endpoints and load balancers do: whoever connects in the very moment in which a port closes is
    reset by the kernel, whatever a server does. Until long after it said "not ready" all are answered.
    """
    with running_server(str(write_adder(tmp_path / "engine")), drain_seconds=10) as running:
        running.logged("ready")
        url, codes, warned = f"{running.url}/v2/models/tiny", [], threading.Event()

        def ask() -> None:
            while not warned.is_set():
                codes.append(httpx.get(url).status_code)

        def until_answered(count: int) -> None:
            while len(codes) < count and not any(future.done() for future in asked):
                time.sleep(0.01)

        with ThreadPoolExecutor(2) as threads:
            asked = [threads.submit(ask) for _ in range(2)]
            until_answered(20)
            running.terminate()
            while httpx.get(f"{running.url}/v2/health/ready").status_code == 200:
                time.sleep(0.01)
            until_answered(len(codes) + 5)
            warned.set()
            for future in asked:
                future.result(timeout=60)
        assert running.exit_code() == 0
    assert set(codes) == {200}


def test_a_request_that_takes_too_long_is_given_up_and_the_exit_is_still_clean(tmp_path: Path) -> None:
    with running_server(loop_engine(tmp_path / "engine"), drain_seconds=1) as running:
        running.logged("ready")
        url = f"{running.url}/v2/models/tiny/infer"

        answers: list[httpx.Response] = []
        asking = threading.Thread(
            target=lambda: answers.append(httpx.post(url, json=turns(10**9), timeout=60))
        )
        asking.start()
        while 'in_flight{model="tiny"} 1.0' not in running.metrics():
            pass
        running.terminate()
        assert running.exit_code() == 0
        assert running.logged("drained")["given_up"] == 1
        asking.join(timeout=60)
    assert [answer.status_code for answer in answers] == [503]


HEAD = b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        HEAD + b"Content-Length: -5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nabcde",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        HEAD + b"X: " + b"x" * (1 << 20),
        b"GET /" + b"x" * (1 << 20),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: " + b"x" * (1 << 20),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * (1 << 20),
        HEAD + b"Inference-Header-Content-Length: 7\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 99999999999999\r\n\r\n{}",
        HEAD + b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000,
    ],
    ids=lambda garbage: repr(garbage[-40:]) if len(garbage) < 1000 else f"{len(garbage)} bytes",
)
def test_garbage_is_refused_and_the_server_goes_on(server: Server, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=20) as raw:
        try:
            raw.sendall(garbage)
            head = raw.recv(1 << 16)
        except (ConnectionResetError, BrokenPipeError):
            head = b""  # refused before all of it was sent
    assert head == b"" or head.split()[1].startswith(b"4"), head
    assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200
    assert server.process.poll() is None


def test_clients_that_hang_up_leave_nothing_behind(server: Server) -> None:
    for sent in (b"", b"POST", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"):
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=20) as raw:
            raw.sendall(sent)
    while 'in_flight{model="tiny"} 0.0' not in server.metrics():
        pass
    assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200


def test_the_log_is_json_and_has_no_line_for_a_request(server: Server) -> None:
    before = len(server.text)
    for _ in range(5):
        httpx.get(f"{server.url}/v2")
        httpx.post(f"{server.url}/v2/models/tiny/infer", content=b"{")
    assert len(server.text) == before
    assert len(server.log) == len(server.text)
