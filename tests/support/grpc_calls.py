"""Requests over gRPC as clients write them, and the bytes of them."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from burnish_serving.grpc.decode import Received, split
from burnish_serving.grpc.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse

SERVICE = "inference.GRPCInferenceService"


def receive(data: bytes) -> Received:
    """A request's message as the server takes it apart."""
    return Received.read(*split(data))


def adding(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], **changes: Any) -> ModelInferRequest:
    """A request to `support.onnx_models.write_adder`, with raw contents."""
    request = ModelInferRequest(**({"model_name": "tiny"} | changes))
    for name, array in (("a", a), ("b", b)):
        request.inputs.add(name=name, datatype="FP32", shape=array.shape)
        request.raw_input_contents.append(array.astype(np.float32).tobytes())
    return request


def numbers(response: ModelInferResponse, index: int = 0) -> list[Any]:
    """An FP32 output of an answer, flat."""
    return np.frombuffer(response.raw_output_contents[index], np.float32).tolist()


def raw_call(channel: grpc.Channel, name: str, service: str = SERVICE) -> Callable[..., bytes]:
    """A call that sends and gets bytes, whatever they are."""
    return channel.unary_unary(f"/{service}/{name}")


def code(call: Any, *arguments: Any, **options: Any) -> grpc.StatusCode:
    """The code with which a call is refused, and details that say why."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **({"timeout": 30} | options))
    assert len(caught.value.details()) > 10
    found: grpc.StatusCode = caught.value.code()
    return found


def outcome(call: Any, data: bytes) -> tuple[grpc.StatusCode, bytes | str]:
    """A code, and the answer or the details that come with it."""
    try:
        return grpc.StatusCode.OK, call(data, timeout=30)
    except grpc.RpcError as error:
        return error.code(), error.details()
