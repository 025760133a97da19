"""NVIDIA's client, one connection, in one mode."""

from collections.abc import Callable

import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from burnish_bench.serving.modes import MODEL, REQUEST_ID, Arrays, Call, Mode, grpc_parts, http_parts

Ask = Callable[[], Arrays]
TIMEOUT_SECONDS = 60.0


def connect(port: int, mode: Mode, call: Call, model: str = MODEL) -> Ask:
    """A function that asks once and returns the outputs.

    It raises what the client raises: InferenceServerException, OSError.
    """
    return _grpc(port, call, model) if mode.is_grpc else _http(port, mode, call, model)


def _http(port: int, mode: Mode, call: Call, model: str) -> Ask:
    client = triton_http.InferenceServerClient(
        f"127.0.0.1:{port}", connection_timeout=TIMEOUT_SECONDS, network_timeout=TIMEOUT_SECONDS
    )
    inputs, outputs, headers = http_parts(call, mode)

    def ask() -> Arrays:
        answer = client.infer(model, inputs, outputs=outputs, request_id=REQUEST_ID, headers=headers)
        return {name: answer.as_numpy(name) for name in call.outputs}

    return ask


def _grpc(port: int, call: Call, model: str) -> Ask:
    client = triton_grpc.InferenceServerClient(f"127.0.0.1:{port}")
    inputs, outputs = grpc_parts(call)

    def ask() -> Arrays:
        answer = client.infer(
            model, inputs, outputs=outputs, request_id=REQUEST_ID, client_timeout=TIMEOUT_SECONDS
        )
        return {name: answer.as_numpy(name) for name in call.outputs}

    return ask
