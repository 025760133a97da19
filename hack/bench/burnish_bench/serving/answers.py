"""Answers: what a client kept of them, and whether they are right."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tritonclient.utils import triton_to_np_dtype

from burnish_bench.serving.modes import Arrays, Mode
from burnish_serving.grpc.proto.open_inference_pb2 import ModelInferResponse

# Servers may run requests together, which changes roundings; a wrong answer is farther off.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Answer:
    """HTTP: status, bytes of JSON (None: no header says so), body. gRPC: 200, None, the message."""

    status: int
    json_bytes: int | None
    body: bytes


def outputs_of(answer: Answer, mode: Mode) -> Arrays:
    """The tensors in an answer. Raises: ValueError: it is not one."""
    try:
        return _of_message(answer.body) if mode.is_grpc else _of_http(answer)
    except (KeyError, TypeError, DecodeError) as error:
        raise ValueError(f"not an answer of the protocol: {error!r}") from error


def is_right(answer: Answer, mode: Mode, expected: Mapping[str, np.ndarray[Any, Any]]) -> bool:
    """Whether it holds the expected outputs, up to rounding."""
    try:
        found = outputs_of(answer, mode)
    except ValueError:
        return False
    return found.keys() == expected.keys() and all(close(found[n], expected[n]) for n in expected)


def close(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> bool:
    """Same shape, and equal up to rounding."""
    return found.shape == expected.shape and np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)


def _of_http(answer: Answer) -> Arrays:
    end = len(answer.body) if answer.json_bytes is None else answer.json_bytes
    rest, found = memoryview(answer.body)[end:], {}
    for output in json.loads(answer.body[:end])["outputs"]:
        dtype = np.dtype(triton_to_np_dtype(output["datatype"]))
        size = (output.get("parameters") or {}).get("binary_data_size")
        data = np.asarray(output["data"], dtype) if size is None else np.frombuffer(rest[:size], dtype)
        found[output["name"]] = data.reshape(output["shape"])
        rest = rest[size or 0 :]
    return found


def _of_message(body: bytes) -> Arrays:
    message = ModelInferResponse.FromString(body)
    return {
        output.name: np.frombuffer(raw, triton_to_np_dtype(output.datatype)).reshape(tuple(output.shape))
        for output, raw in zip(message.outputs, message.raw_output_contents, strict=True)
    }
