"""The ways to ask: one request of the protocol in each, as NVIDIA's client writes it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import np_to_triton_dtype

from burnish_serving.grpc.proto.open_inference_pb2 import ModelInferRequest

MODEL = "bench"
REQUEST_ID = "1"  # servers that make one up give an answer of other bytes each time
JSON_HEADERS = {"Content-Type": "application/json"}
Arrays = dict[str, np.ndarray[Any, Any]]


class Mode(StrEnum):
    """Protocol and form of the tensors."""

    HTTP_BINARY = "http-binary"
    HTTP_JSON = "http-json"
    GRPC = "grpc"

    @property
    def is_grpc(self) -> bool:
        """Whether it goes to the gRPC port."""
        return self is Mode.GRPC


@dataclass(frozen=True)
class Call:
    """What is asked: the inputs, and the outputs that are wanted."""

    inputs: Arrays
    outputs: tuple[str, ...]


def http_parts(call: Call, mode: Mode) -> tuple[list[Any], list[Any], dict[str, str] | None]:
    """Inputs, outputs and headers for NVIDIA's HTTP client."""
    binary = mode is Mode.HTTP_BINARY
    inputs = []
    for name, array in call.inputs.items():
        tensor = triton_http.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    outputs = [triton_http.InferRequestedOutput(name, binary_data=binary) for name in call.outputs]
    return inputs, outputs, None if binary else JSON_HEADERS


def grpc_parts(call: Call) -> tuple[list[Any], list[Any]]:
    """Inputs and outputs for NVIDIA's gRPC client."""
    inputs = []
    for name, array in call.inputs.items():
        tensor = triton_grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs, [triton_grpc.InferRequestedOutput(name) for name in call.outputs]


def wire_request(call: Call, mode: Mode, model: str = MODEL) -> bytes:
    """The bytes of one request: a whole HTTP/1.1 request, or a gRPC message without its prefix."""
    return _message(call, model) if mode.is_grpc else _http_request(call, mode, model)


def _message(call: Call, model: str) -> bytes:
    request = ModelInferRequest(model_name=model, id=REQUEST_ID)
    for name, array in call.inputs.items():
        request.inputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    for name in call.outputs:
        request.outputs.add(name=name)
    return bytes(request.SerializeToString())


def _http_request(call: Call, mode: Mode, model: str) -> bytes:
    inputs, outputs, headers = http_parts(call, mode)
    body, json_bytes = triton_http.InferenceServerClient.generate_request_body(
        inputs, outputs=outputs, request_id=REQUEST_ID
    )
    headers = dict(headers or {"Content-Type": "application/octet-stream"})
    if json_bytes is not None:
        headers["Inference-Header-Content-Length"] = str(json_bytes)
    lines = [f"POST /v2/models/{model}/infer HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + bytes(body)
