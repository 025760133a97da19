"""Requests over gRPC as clients write them, and the bytes of them."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np

from burnish_serving.grpc.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse

SERVICE = "inference.GRPCInferenceService"


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
