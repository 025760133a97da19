"""Engines change while clients ask: no request fails, and every answer is exactly one engine's."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton

from burnish_engine.descriptor import GOLDEN_FILE
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from burnish_engine.store import push_engine, read_engine
from burnish_runtime import golden
from burnish_serving.grpc.proto.open_inference_pb2 import (
    ModelRepositoryParameter,
    RepositoryModelLoadRequest,
)
from support.grpc_calls import outcome, raw_call
from support.onnx_models import (
    LOOP_INPUTS,
    LOOP_OUTPUTS,
    add_golden,
    long_loop,
    write_running_engine,
    write_scaler,
)
from support.registry import running_registry
from support.servers import Server, running_server

pytestmark = pytest.mark.integration
SWAPS = 50


@dataclass(frozen=True)
class Repository:
    """References: two engines that differ in their factor, one whose record lies, one of another model."""

    two: str
    three: str
    lying: str
    other: str


def spoil(folder: Path) -> Path:
    """Let the record say that the engine answered otherwise where it was made."""
    engine = read_engine(folder)
    assert engine.golden
    pair = golden.read(folder, engine.golden, engine)
    next(iter(pair.answers.values()))[...] += 1
    golden.write(folder / GOLDEN_FILE, pair)
    return folder


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    folder = tmp_path_factory.mktemp("engines")
    with running_registry(folder) as address, RegistryClient() as client:

        def pushed(name: str, engine: Path) -> str:
            tag = Reference.parse(f"{address}/scalers:{name}")
            return str(tag.at(push_engine(client, tag, engine).digest))

        other = write_running_engine(folder / "other", long_loop(), LOOP_INPUTS, LOOP_OUTPUTS)
        yield Repository(
            two=pushed("two", write_scaler(folder / "two", 2.0)),
            three=pushed("three", write_scaler(folder / "three", 3.0)),
            lying=pushed("lying", unlisted(spoil(write_scaler(folder / "lying", 5.0)))),
            other=pushed("other", other),
        )


def unlisted(folder: Path) -> Path:
    """With digests of what is there now: the bytes are right, the answer is not."""
    from burnish_engine import digest
    from burnish_engine.descriptor import ENGINE_FILE

    engine = read_engine(folder)
    files = {name: digest.of_file(folder / name) for name in engine.files}
    (folder / ENGINE_FILE).write_text(engine.model_copy(update={"files": files}).model_dump_json())
    return folder


@pytest.fixture
def server(engines: Repository, tmp_path: Path) -> Iterator[Server]:
    with running_server(
        f"pages={engines.two}", cache=str(tmp_path / "cache"), repository_control=True
    ) as running:
        running.logged("ready")
        yield running


def load(server: Server, engine: str | None, name: str = "pages") -> httpx.Response:
    body = {"parameters": {"burnish.engine": engine}} if engine else {}
    return httpx.post(f"{server.url}/v2/repository/models/{name}/load", json=body, timeout=60)


def ask(server: Server, x: float, name: str = "pages") -> tuple[float, str]:
    request = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [x] * 3}]}
    answer = httpx.post(f"{server.url}/v2/models/{name}/infer", json=request, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["outputs"][0]["data"][0] / x, answer.headers["burnish-engine"]


def digest(reference: str) -> str:
    return reference.partition("@")[2]


def test_fifty_swaps_under_load_lose_no_request(server: Server, engines: Repository) -> None:
    factors = {digest(engines.two): 2.0, digest(engines.three): 3.0}
    stop, seen = threading.Event(), set()

    def through_triton(seed: int) -> int:
        random, asked = np.random.default_rng(seed), 0
        with triton.InferenceServerClient(f"127.0.0.1:{server.http_port}") as client:
            while not stop.is_set():
                x = random.random((4, 3), np.float32) + 1
                sent = triton.InferInput("x", [4, 3], "FP32")
                sent.set_data_from_numpy(x)
                found = client.infer("pages", [sent]).as_numpy("y")
                assert any(np.array_equal(found, x * np.float32(factor)) for factor in factors.values())
                asked += 1
        return asked

    def through_http() -> int:
        asked = 0
        while not stop.is_set():
            factor, by = ask(server, 1.5)
            assert factor == factors[by]
            seen.add(by)
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as threads:
        asking = [*(threads.submit(through_triton, seed) for seed in range(3)), threads.submit(through_http)]
        try:
            for turn in range(SWAPS):
                wanted = (engines.three, engines.two)[turn % 2]
                answer = load(server, wanted)
                assert answer.status_code == 200, answer.text
                assert answer.headers["burnish-engine"] == digest(wanted)
                # Whoever asks once the change is answered is answered by the new one.
                assert ask(server, 2.5) == (factors[digest(wanted)], digest(wanted))
        finally:
            stop.set()
        counts = [future.result(timeout=60) for future in asking]
    assert min(counts) > 0
    assert seen == set(factors)
    metrics = server.metrics()
    assert f'burnish_engine_swaps_total{{model="pages",result="swapped"}} {SWAPS:.1f}' in metrics
    assert metrics.count("burnish_engine_info{") == 1
    assert f'burnish_engine_answers_total{{digest="{digest(engines.two)}",model="pages"}}' in metrics
    assert digest(engines.three) not in metrics
    assert 'code="500"' not in metrics
    assert 'in_flight{model="pages"} 0.0' in metrics


def test_what_served_before_comes_back(server: Server, engines: Repository) -> None:
    assert load(server, "previous").status_code == 404
    assert load(server, engines.three).status_code == 200
    assert load(server, "previous").status_code == 200
    assert ask(server, 1.0) == (2.0, digest(engines.two))
    assert load(server, "previous").status_code == 200
    assert ask(server, 1.0)[0] == 3.0


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_tritons_own_client_loads_and_unloads(server: Server, engines: Repository, protocol: str) -> None:
    config = json.dumps({"parameters": {"burnish.engine": {"string_value": engines.three}}})
    with client_of(server, protocol) as client:
        client.load_model("pages", config=config)
        assert ask(server, 1.0)[0] == 3.0
        client.load_model("pages")  # what serves: nothing to do
        client.unload_model("pages")
        assert not client.is_model_ready("pages")
        client.load_model("pages")
        assert ask(server, 1.0)[0] == 3.0
        client.load_model("second", config=json.dumps({"parameters": {"burnish.engine": engines.two}}))
        assert (ask(server, 1.0)[0], ask(server, 1.0, "second")[0]) == (3.0, 2.0)


def client_of(server: Server, protocol: str) -> Any:
    if protocol == "grpc":
        return triton_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
    return triton.InferenceServerClient(f"127.0.0.1:{server.http_port}")


def grpc_load(server: Server, **parameters: Any) -> tuple[grpc.StatusCode, str]:
    """Ask for a load without any client's help."""
    told = {name: ModelRepositoryParameter(**value) for name, value in parameters.items()}
    request = RepositoryModelLoadRequest(model_name="pages", parameters=told)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        code, said = outcome(raw_call(channel, "RepositoryModelLoad"), request.SerializeToString())
    return code, str(said)


def test_over_grpc_a_swap_that_fails_leaves_what_served(server: Server, engines: Repository) -> None:
    def engine(text: str) -> dict[str, Any]:
        return {"burnish.engine": {"string_param": text}}

    gone = str(Reference.parse(engines.two).at("sha256:" + "0" * 64))
    for parameters, wanted, said in (
        (engine(engines.lying), grpc.StatusCode.FAILED_PRECONDITION, "other answers here"),
        (engine(engines.other), grpc.StatusCode.PERMISSION_DENIED, "those of the engine that serves"),
        (engine(gone), grpc.StatusCode.NOT_FOUND, "404"),
        (engine("/etc"), grpc.StatusCode.PERMISSION_DENIED, "no digest"),
        (engine("oci://UPPER/@"), grpc.StatusCode.INVALID_ARGUMENT, "image reference"),
        ({"burnish.engine": {"int64_param": 3}}, grpc.StatusCode.INVALID_ARGUMENT, "a string"),
        ({"file:x": {"bytes_param": b"y"}}, grpc.StatusCode.INVALID_ARGUMENT, "file:x"),
        ({"config": {"string_param": "["}}, grpc.StatusCode.INVALID_ARGUMENT, "a JSON object"),
    ):
        code, told = grpc_load(server, **parameters)
        assert (code, said in told) == (wanted, True), told
    assert ask(server, 1.0) == (2.0, digest(engines.two))
    assert grpc_load(server, **engine(engines.three))[0] is grpc.StatusCode.OK
    assert ask(server, 1.0)[0] == 3.0


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("lying", 422, "other answers here"),
        ("other", 403, "those of the engine that serves"),
        ("gone", 404, "404"),
        ("tag", 403, "no digest"),
        ("folder", 403, "no digest"),
        ("elsewhere", 403, "--swap-from"),
        ("nonsense", 400, "image reference"),
    ],
)
def test_a_swap_that_fails_leaves_what_served(
    server: Server, engines: Repository, kind: str, status: int, said: str
) -> None:
    reference = Reference.parse(engines.two)
    wanted = {
        "lying": engines.lying,
        "other": engines.other,
        "gone": str(reference.at("sha256:" + "0" * 64)),
        "tag": f"oci://{reference.name}:two",
        "folder": "/etc",
        "elsewhere": f"oci://{reference.host}/others@{reference.digest}",
        "nonsense": "oci://UPPER/@",
    }[kind]
    answer = load(server, wanted)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text
    assert ask(server, 1.0) == (2.0, digest(engines.two))
    assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"parameters": 3}',
        b'{"parameters": {"file:x": "y"}}',
        b'{"parameters": {"burnish.engine": 3}}',
    ],
)
def test_a_request_that_is_none_is_refused(server: Server, body: bytes) -> None:
    answer = httpx.post(f"{server.url}/v2/repository/models/pages/load", content=body)
    assert answer.status_code == 400, answer.text


def test_without_the_flag_nothing_is_changed_by_request(engines: Repository, tmp_path: Path) -> None:
    with running_server(f"pages={engines.two}", cache=str(tmp_path / "cache")) as running:
        running.logged("ready")
        assert load(running, engines.three).status_code == 403
        assert httpx.post(f"{running.url}/v2/repository/models/pages/unload").status_code == 403
        with client_of(running, "grpc") as client:
            for call in (client.load_model, client.unload_model):
                with pytest.raises(triton_grpc.InferenceServerException, match="--repository-control"):
                    call("pages")
        assert ask(running, 1.0)[0] == 2.0


def test_several_engines_in_one_server(engines: Repository, tmp_path: Path) -> None:
    with running_server(
        f"a={engines.two}", further_engines=[f"b={engines.three}"], cache=str(tmp_path / "cache")
    ) as running:
        assert running.logged("ready")["models"] == {"a": digest(engines.two), "b": digest(engines.three)}
        assert (ask(running, 1.0, "a")[0], ask(running, 1.0, "b")[0]) == (2.0, 3.0)


def test_a_server_that_drains_takes_no_new_engine(engines: Repository, tmp_path: Path) -> None:
    slow = add_golden(write_running_engine(tmp_path / "slow", long_loop(), LOOP_INPUTS, LOOP_OUTPUTS))
    reference = Reference.parse(engines.two).name
    with running_server(
        f"slow={slow}", cache=str(tmp_path / "cache"), repository_control=True, swap_from=[reference]
    ) as running:
        running.logged("ready")
        running.terminate()
        running.logged("draining")
        answer = load(running, engines.three)
        assert (answer.status_code, "draining" in answer.text) == (503, True)
        assert running.exit_code() == 0


def test_another_answer_than_recorded_is_never_ready(engines: Repository, tmp_path: Path) -> None:
    outcome = tmp_path / "termination-log"
    with running_server(
        f"pages={engines.lying}", cache=str(tmp_path / "cache"), outcome=str(outcome)
    ) as running:
        url, statuses = running.url, set()
        while running.process.poll() is None:
            try:
                statuses.add(httpx.get(f"{url}/v2/health/ready").status_code)
            except httpx.TransportError:
                time.sleep(0.01)
        assert running.exit_code() == 1
    assert statuses <= {503}
    told = json.loads(outcome.read_text())
    assert (told["succeeded"], told["reason"], told["action"]) == (False, "GoldenMismatch", "Stalled")
    assert "other answers here" in told["message"]
