"""Arrays -> `InferResponse` -> bytes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from burnish_engine.descriptor import TensorSpec
from burnish_runtime.session import Array
from burnish_serving.protocol import binary_data, json_data
from burnish_serving.protocol.datatypes import DATATYPES
from burnish_serving.protocol.messages import (
    EncodedResponse,
    InferRequest,
    InferResponse,
    OutputTensor,
    RequestedOutput,
)


def answer(
    request: InferRequest,
    arrays: Mapping[str, Array],
    specs: Sequence[TensorSpec],
    *,
    model_name: str,
    model_version: str,
    engine: str = "",
) -> InferResponse:
    """The answer to a request: its outputs in the order asked for (default: the model's)."""
    by_name = {spec.name: spec for spec in specs}
    asked = request.outputs or tuple(RequestedOutput(spec.name) for spec in specs)
    outputs = tuple(
        OutputTensor(
            name=output.name,
            datatype=DATATYPES[by_name[output.name].dtype],
            array=arrays[output.name],
            binary=request.binary if output.binary is None else output.binary,
        )
        for output in asked
    )
    return InferResponse(model_name, model_version, outputs, request.id, engine)


def encode_response(response: InferResponse) -> EncodedResponse:
    """Write an answer.

    Raises: InvalidRequest: an output is asked for as JSON, and JSON cannot carry it.
    """
    chunks = [binary_data.encode(o.array, o.datatype) if o.binary else None for o in response.outputs]
    document: dict[str, Any] = {
        "model_name": response.model_name,
        "model_version": response.model_version,
        "outputs": [_output(o, chunk) for o, chunk in zip(response.outputs, chunks, strict=True)],
    }
    if response.id is not None:
        document["id"] = response.id
    header = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    binary = [chunk for chunk in chunks if chunk is not None]
    return EncodedResponse(b"".join([header, *binary]), len(header) if binary else None)


def _output(output: OutputTensor, chunk: bytes | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": output.name,
        "datatype": output.datatype,
        "shape": list(output.array.shape),
    }
    if chunk is None:
        return document | {"data": json_data.encode(output.array, output.datatype, f"output {output.name!r}")}
    return document | {"parameters": {"binary_data_size": len(chunk)}}
