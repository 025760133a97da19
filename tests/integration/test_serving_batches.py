"""Real engines under many clients at once: batched answers are those of single requests, nobody is lost."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from burnish_engine.descriptor import Batching, TensorSpec
from burnish_engine.errors import BurnishError
from burnish_engine.request import Backend
from burnish_runtime.load import Engine, open_engine
from burnish_runtime.session import Array
from burnish_serving.grpc.failures import PUSHBACK
from burnish_serving.grpc.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import ServedModel
from burnish_serving.protocol.messages import InferRequest, InputTensor, RequestedOutput
from burnish_serving.scheduling.schedule import schedule
from burnish_serving.scheduling.tolerance import Tolerance
from burnish_serving.settings import ServeSettings
from support.onnx_models import (
    CPU_BACKENDS,
    LOOP_INPUTS,
    LOOP_OUTPUTS,
    add_and_multiply,
    layers,
    long_loop,
    write_running_engine,
)
from support.servers import Server, running_server

pytestmark = pytest.mark.integration

MIXES = 1000
AT_ONCE = 32
GAINS = {1: 0.001, 2: 0.0011, 4: 0.0012, 8: 0.0014, 16: 0.0018}
RAGGED_IN = tuple(TensorSpec(name=name, dtype="float32", shape=(None, None)) for name in ("a", "b"))
RAGGED_OUT = tuple(TensorSpec(name=name, dtype="float32", shape=(None, None)) for name in ("sum", "product"))
LAYER_IN, LAYER_OUT = (TensorSpec(name=name, dtype="float32", shape=(None, 32)) for name in "xy")


def batching(deviation: float = 0.0) -> Batching:
    return Batching(max_rows=16, deviation=deviation, seconds=GAINS)


def ragged_engine(folder: Path, backend: Backend = Backend.ONNXRUNTIME) -> Path:
    model = add_and_multiply(RAGGED_IN, RAGGED_OUT)
    return write_running_engine(folder, model, RAGGED_IN, RAGGED_OUT, backend=backend, batching=batching())


def ragged_requests(seed: int) -> list[dict[str, Array]]:
    """Mostly few rows of few widths; some cannot share a run, and most of these the engine refuses."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(MIXES):
        rows, width = int(generator.choice([1, 1, 1, 2, 3, 5, 16, 40])), int(generator.choice([1, 3, 8]))
        shapes = [(rows, width)] * 2
        if number % 97 == 13:
            shapes[1] = (rows + 1, width + 1)
        made.append(
            {
                name: generator.standard_normal(shape).astype(np.float32)
                for name, shape in zip("ab", shapes, strict=True)
            }
        )
    return made


def request_of(feeds: dict[str, Array], outputs: Sequence[str] = ()) -> InferRequest:
    return InferRequest(
        tuple(InputTensor(name, "FP32", array) for name, array in feeds.items()),
        tuple(RequestedOutput(name) for name in outputs),
    )


def ran_alone(engine: Engine, feeds: dict[str, Array]) -> dict[str, Array] | BurnishError:
    try:
        return engine.session.run(feeds)
    except BurnishError as error:
        return error


class Served:
    """A model with its schedule, asked from one event loop, many requests at a time."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.engine = open_engine(folder)
        made = schedule(self.engine.descriptor, ServeSettings(str(folder), **settings))
        self.metrics = ServingMetrics()
        self.model = ServedModel("m", "sha256:x", self.engine, self.metrics, schedule=made)

    def ask(self, requests: Sequence[InferRequest]) -> list[dict[str, Array] | BaseException]:
        async def one(request: InferRequest, room: asyncio.Semaphore) -> dict[str, Array]:
            async with room:
                answer = await self.model.infer(request)
            return {output.name: output.array for output in answer.outputs}

        async def all_of_them() -> list[dict[str, Array] | BaseException]:
            room = asyncio.Semaphore(AT_ONCE)
            asked = asyncio.gather(*(one(request, room) for request in requests), return_exceptions=True)
            return await asyncio.wait_for(asked, 120)

        try:
            return asyncio.run(all_of_them())
        finally:
            self.model.close()


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_a_thousand_mixes_are_answered_to_the_byte_as_if_alone(tmp_path: Path, backend: Backend) -> None:
    served = Served(ragged_engine(tmp_path / "engine", backend), batch_audit_share=0.1)
    feeds = ragged_requests(seed=1)
    wanted = [(), ("sum",), ("product",), ("product", "sum")]
    requests = [request_of(one, wanted[number % 4]) for number, one in enumerate(feeds)]
    answers = served.ask(requests)
    for number, (one, found) in enumerate(zip(feeds, answers, strict=True)):
        alone = ran_alone(served.engine, one)
        if not isinstance(alone, dict) or not isinstance(found, dict):
            assert type(found) is type(alone)
            continue
        assert set(found) == set(wanted[number % 4] or ("sum", "product"))
        assert all(found[name].tobytes() == alone[name].tobytes() for name in found)
    statistics = served.model.statistics()
    answered = sum(isinstance(answer, dict) for answer in answers)
    assert statistics["inference_stats"]["success"]["count"] == answered
    assert statistics["execution_count"] < answered
    assert served.metrics.registry.get_sample_value("burnish_batch_mismatches_total", {"model": "m"}) == 0


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_a_thousand_mixes_are_within_the_recorded_tolerance(tmp_path: Path, backend: Backend) -> None:
    deviation = 1e-6
    folder = write_running_engine(
        tmp_path / "engine",
        layers(),
        (LAYER_IN,),
        (LAYER_OUT,),
        backend=backend,
        batching=batching(deviation),
    )
    served, generator = Served(folder, batch_audit_share=0.1), np.random.default_rng(2)
    feeds = [
        {"x": generator.standard_normal((int(generator.choice([1, 1, 2, 7])), 32)).astype(np.float32)}
        for _ in range(MIXES)
    ]
    answers = served.ask([request_of(one) for one in feeds])
    tolerance = Tolerance(deviation)
    for one, found in zip(feeds, answers, strict=True):
        assert isinstance(found, dict), found
        assert tolerance.excess(found, served.engine.session.run(one)) == ""
    assert served.model.statistics()["execution_count"] < MIXES


def test_an_engine_without_a_word_on_its_rows_runs_requests_alone(tmp_path: Path) -> None:
    folder = write_running_engine(tmp_path / "engine", layers(), (LAYER_IN,), (LAYER_OUT,))
    served = Served(folder, max_batch=8)
    served.ask([request_of({"x": np.ones((1, 32), np.float32)}) for _ in range(50)])
    assert served.model.statistics()["execution_count"] == 50


def test_batches_over_http_are_counted_and_right(tmp_path: Path) -> None:
    feeds = [one for one in ragged_requests(seed=3) if one["a"].shape == one["b"].shape][:400]
    with running_server(str(ragged_engine(tmp_path / "engine"))) as running:
        assert running.logged("loaded")["max_batch"] == 16
        running.logged("ready")

        def ask(some: list[dict[str, Array]]) -> bool:
            with triton.InferenceServerClient(f"127.0.0.1:{running.http_port}") as own:
                return all(_right(own, one) for one in some)

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(ask, [feeds[start::8] for start in range(8)]))
        with triton.InferenceServerClient(f"127.0.0.1:{running.http_port}") as own:
            (told,) = own.get_inference_statistics("tiny")["model_stats"]
        metrics = running.metrics()
    rows = sum(one["a"].shape[0] for one in feeds)
    assert told["inference_count"] == rows
    assert told["execution_count"] <= len(feeds)
    assert sum(b["batch_size"] * b["compute_infer"]["count"] for b in told["batch_stats"]) == rows
    assert f'burnish_batch_size_sum{{model="tiny"}} {float(rows)}' in metrics
    assert f'burnish_queue_duration_seconds_count{{model="tiny"}} {float(len(feeds))}' in metrics


def _right(client: triton.InferenceServerClient, feeds: dict[str, Array]) -> bool:
    inputs = []
    for name, array in feeds.items():
        made = triton.InferInput(name, list(array.shape), "FP32")
        made.set_data_from_numpy(array)
        inputs.append(made)
    found = client.infer("tiny", inputs, priority=1, timeout=60_000_000)
    return np.array_equal(found.as_numpy("product"), feeds["a"] * feeds["b"])


def loop_engine(folder: Path) -> str:
    return str(write_running_engine(folder, long_loop(), LOOP_INPUTS, LOOP_OUTPUTS))


def turns(count: int, **parameters: int) -> dict[str, Any]:
    document: dict[str, Any] = {"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [count]}]}
    return document | ({"parameters": parameters} if parameters else {})


def test_under_overload_all_are_answered_right_or_told_to_come_back(tmp_path: Path) -> None:
    settings = {"instances": 1, "latency_goal_ms": 200, "max_pending": 16}
    with running_server(loop_engine(tmp_path / "engine"), **settings) as running:
        running.logged("ready")
        url = f"{running.url}/v2/models/tiny/infer"

        def ask(number: int) -> list[tuple[int, bool]]:
            with httpx.Client(timeout=120) as http:
                answers = [http.post(url, json=turns(100_000 + number)) for _ in range(12)]
            return [(answer.status_code, _is_right(answer, 100_000 + number)) for answer in answers]

        with ThreadPoolExecutor(24) as threads:
            told = [one for some in threads.map(ask, range(24)) for one in some]
        codes = Counter(code for code, _ in told)
        metrics = running.metrics()
    assert set(codes) <= {200, 429}
    assert codes[200]
    assert codes[429]
    assert all(right for _, right in told)
    assert f'reason="Overloaded"}} {float(codes[429])}' in metrics
    assert 'burnish_requests_in_flight{model="tiny"} 0.0' in metrics
    assert 'burnish_requests_waiting{model="tiny"} 0.0' in metrics


def test_under_overload_grpc_answers_right_or_tells_when_to_come_back(tmp_path: Path) -> None:
    settings = {"instances": 1, "latency_goal_ms": 200}
    with running_server(loop_engine(tmp_path / "engine"), **settings) as running:
        running.logged("ready")
        with (
            grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
            ThreadPoolExecutor(24) as threads,
        ):
            ask: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            told = [code for some in threads.map(lambda _: _codes(ask, 12), range(24)) for code in some]
        metrics = running.metrics()
    refused = told.count("RESOURCE_EXHAUSTED")
    assert Counter(told) == {"OK": len(told) - refused, "RESOURCE_EXHAUSTED": refused}
    assert 0 < refused < len(told)
    assert f'burnish_requests_rejected_total{{model="tiny",reason="Overloaded"}} {float(refused)}' in metrics
    assert 'burnish_requests_in_flight{model="tiny"} 0.0' in metrics


def _codes(ask: Any, count: int) -> list[str]:
    request = ModelInferRequest(model_name="tiny")
    request.inputs.add(name="n", datatype="INT64", shape=[1]).contents.int64_contents.append(100_000)
    return [_code(ask, request.SerializeToString()) for _ in range(count)]


def _code(ask: Any, request: bytes) -> str:
    try:
        answer = ModelInferResponse.FromString(ask(request))
    except grpc.RpcError as error:
        told: Any = error
        assert int(dict(told.trailing_metadata())[PUSHBACK]) >= 0
        assert "expected" in told.details()
        return str(told.code().name)
    assert np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [100_000.0]
    return "OK"


def _is_right(answer: httpx.Response, expected: int) -> bool:
    if answer.status_code == 200:
        return bool(answer.json()["outputs"][0]["data"] == [float(expected)])
    return int(answer.headers["Retry-After"]) >= 1 and "expected" in answer.json()["error"]


class Busy:
    """A server whose engine computes something long, for as long as the block lasts or longer."""

    def __init__(self, running: Server) -> None:
        self.url = f"{running.url}/v2/models/tiny/infer"
        self._thread = threading.Thread(
            target=lambda: httpx.post(self.url, json=turns(5_000_000), timeout=120), daemon=True
        )
        self._thread.start()
        wait_for(running, 'burnish_requests_in_flight{model="tiny"} 1.0')

    def wait(self) -> None:
        self._thread.join(timeout=120)


def wait_for(running: Server, line: str) -> None:
    deadline = time.monotonic() + 60
    while line not in running.metrics():
        assert time.monotonic() < deadline, line
        time.sleep(0.01)


def test_a_deadline_that_passes_in_the_queue_is_told_and_not_computed(tmp_path: Path) -> None:
    with running_server(loop_engine(tmp_path / "engine"), instances=1) as running:
        running.logged("ready")
        busy = Busy(running)
        late = httpx.post(busy.url, json=turns(7, timeout=50_000), timeout=60)
        assert late.status_code in (429, 504), late.text
        busy.wait()
        metrics = running.metrics()
    assert 'burnish_compute_duration_seconds_count{model="tiny"} 1.0' in metrics


@pytest.mark.parametrize("told", ["by the call", "by a parameter"])
def test_a_deadline_over_grpc_is_one_too(tmp_path: Path, told: str) -> None:
    with running_server(loop_engine(tmp_path / "engine"), instances=1) as running:
        running.logged("ready")
        busy = Busy(running)
        n = triton_grpc.InferInput("n", [1], "INT64")
        n.set_data_from_numpy(np.array([7], np.int64))
        late = {"client_timeout": 0.1} if told == "by the call" else {"timeout": 100_000, "priority": 1}
        with triton_grpc.InferenceServerClient(f"127.0.0.1:{running.grpc_port}") as own:
            with pytest.raises(InferenceServerException) as caught:
                own.infer("tiny", [n], **late)
            busy.wait()
            assert own.infer("tiny", [n], timeout=60_000_000).as_numpy("y").tolist() == [7.0]
        metrics = running.metrics()
    assert caught.value.status() in ("StatusCode.DEADLINE_EXCEEDED", "StatusCode.RESOURCE_EXHAUSTED")
    assert 'burnish_compute_duration_seconds_count{model="tiny"} 2.0' in metrics


def test_a_client_that_hangs_up_while_it_waits_is_not_computed(tmp_path: Path) -> None:
    with running_server(loop_engine(tmp_path / "engine"), instances=1) as running:
        running.logged("ready")
        busy = Busy(running)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(busy.url, json=turns(7), timeout=0.3)
        wait_for(running, 'burnish_requests_in_flight{model="tiny"} 1.0')
        busy.wait()
        metrics = running.metrics()
    assert 'burnish_compute_duration_seconds_count{model="tiny"} 1.0' in metrics


@pytest.mark.parametrize(
    "parameters", [{"timeout": -1}, {"timeout": "soon"}, {"priority": -1}, {"priority": 1.5}]
)
def test_terms_that_are_none_are_told(tmp_path: Path, parameters: dict[str, Any]) -> None:
    with running_server(loop_engine(tmp_path / "engine")) as running:
        running.logged("ready")
        answer = httpx.post(f"{running.url}/v2/models/tiny/infer", json=turns(1, **parameters))
    assert answer.status_code == 400
    assert next(iter(parameters)) in answer.json()["error"]
