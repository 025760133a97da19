"""What is laid out for Triton, in a real Triton server, started with what the operator renders.

The server is NVIDIA's own binary: it reads the configuration, checks it, warms up, batches and answers. Its
C++ backends are in no package; in their place the same libraries run in Python (`support.triton_backend`).
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
import tritonclient.utils
from click.testing import CliRunner

from burnish_cli.main import cli
from burnish_engine.layout.runtimes import ServingRuntime
from burnish_engine.layout.triton import QUEUE_DELAY_MICROSECONDS, WARM_UP_RUNS
from burnish_operator.render import layout
from burnish_optimizer.targets.fingerprint import fingerprint
from burnish_optimizer.targets.implications import has_bf16
from support.layouts import WEIGHTS, write_linear, write_linear_ir
from support.runtimes import fleet, pod
from support.triton_server import DidNotStart, Server, running

pytestmark = pytest.mark.integration
NAME = "pages"


def arguments(repository: Path) -> list[str]:
    """What the operator tells the server, with the repository where it lies here."""
    found = fleet(ServingRuntime.TRITON.value)
    found.settle()
    [container] = pod(found)["spec"]["containers"]
    return [argument.replace(layout.REPOSITORY, str(repository)) for argument in container["args"]]


def laid_out(engine: Path, out: Path) -> Path:
    """By the command that the init container runs."""
    told = ["engine", "layout", str(engine), "--runtime", "Triton", "--model-name", NAME, "-o", str(out)]
    result = CliRunner().invoke(cli, told)
    assert result.exit_code == 0, result.output
    return out


def infer_http(server: Server, x: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    given = tritonclient.http.InferInput("x", list(x.shape), "FP32")
    given.set_data_from_numpy(x)
    with tritonclient.http.InferenceServerClient(server.http) as client:
        found: np.ndarray[Any, Any] = client.infer(NAME, [given]).as_numpy("y")
    return found


def infer_grpc(server: Server, x: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    given = tritonclient.grpc.InferInput("x", list(x.shape), "FP32")
    given.set_data_from_numpy(x)
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
        found: np.ndarray[Any, Any] = client.infer(NAME, [given]).as_numpy("y")
    return found


def rows(count: int) -> "np.ndarray[Any, Any]":
    return np.random.default_rng(count).standard_normal((count, 4), dtype=np.float32)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "batched"])
def test_triton_answers_as_the_model_does(tmp_path: Path, backend: str) -> None:
    engine = (
        write_linear_ir(tmp_path / "engine")
        if backend == "openvino"
        else write_linear(tmp_path / "engine", rows=8 if backend == "batched" else 0)
    )
    repository = laid_out(engine, tmp_path / "repository")
    # Nothing tells Triton's OpenVINO backend to compute in FP32 where the processor has BF16.
    rounding = 1e-2 if backend == "openvino" and has_bf16(fingerprint()) else 1e-5
    with running(arguments(repository), tmp_path) as server:
        for count in (1, 5, 8):
            x = rows(count)
            for infer in (infer_http, infer_grpc):
                np.testing.assert_allclose(infer(server, x), x @ WEIGHTS, rtol=rounding, atol=1e-6)
        assert server.get(f"/v2/models/{NAME}/ready").status_code == 200
        assert server.get(f"/v2/models/{NAME}/versions/1/ready").status_code == 200
        metrics = httpx.get(f"http://{server.metrics}/metrics").text
        assert f'nv_inference_request_success{{model="{NAME}",version="1"}}' in metrics


def test_rows_of_many_clients_share_runs_and_get_their_own_answers(tmp_path: Path) -> None:
    """With a delay that is never reached, every run is full: what is counted hangs on no clock."""
    repository = laid_out(write_linear(tmp_path / "engine", rows=8), tmp_path / "repository")
    config = repository / NAME / "config.pbtxt"
    delay = f"max_queue_delay_microseconds: {QUEUE_DELAY_MICROSECONDS}"
    config.write_text(config.read_text().replace(delay, "max_queue_delay_microseconds: 60000000"))
    inputs = [rows(1) + n for n in range(64)]
    with running(arguments(repository), tmp_path) as server:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda x: infer_http(server, x), inputs))
        for x, answer in zip(inputs, answers, strict=True):
            np.testing.assert_allclose(answer, x @ WEIGHTS, rtol=1e-4, atol=1e-4)
        with tritonclient.http.InferenceServerClient(server.http) as client:
            [statistics] = client.get_inference_statistics(NAME)["model_stats"]
    assert statistics["inference_count"] == len(inputs) + WARM_UP_RUNS
    assert statistics["execution_count"] == len(inputs) // 8 + WARM_UP_RUNS


def test_more_rows_than_were_tried_are_refused_by_triton(tmp_path: Path) -> None:
    repository = laid_out(write_linear(tmp_path / "engine", rows=8), tmp_path / "repository")
    refused = pytest.raises(tritonclient.utils.InferenceServerException, match="batch-size must be <= 8")
    with running(arguments(repository), tmp_path) as server, refused:
        infer_http(server, rows(9))


def test_a_configuration_with_a_scalar_is_what_triton_refuses(tmp_path: Path) -> None:
    """Hence such engines are refused before anything is rolled out."""
    repository = laid_out(write_linear(tmp_path / "engine"), tmp_path / "repository")
    config = repository / NAME / "config.pbtxt"
    config.write_text(config.read_text().replace("dims: [-1, 4]", "dims: []"))
    with pytest.raises(DidNotStart, match="must specify 'dims'"), running(arguments(repository), tmp_path):
        pass
