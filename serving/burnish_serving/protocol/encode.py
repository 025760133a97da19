"""Arrays -> `InferResponse` -> bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from burnish_engine.descriptor import TensorSpec
from burnish_runtime.session import Array
from burnish_serving.protocol import binary_data, json_data
from burnish_serving.protocol.classification import classify
from burnish_serving.protocol.datatypes import BYTES, DATATYPES
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
) -> InferResponse:
    """The answer to a request: its outputs in the order asked for (default: the model's).

    Raises: InvalidRequest: an output that cannot be classified.
    """
    by_name = {spec.name: spec for spec in specs}
    asked = request.outputs or tuple(RequestedOutput(spec.name) for spec in specs)
    outputs = tuple(
        _tensor(
            output,
            arrays[output.name],
            DATATYPES[by_name[output.name].dtype],
            request.binary if output.binary is None else output.binary,
        )
        for output in asked
    )
    return InferResponse(model_name, model_version, outputs, request.id)


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
    header = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    binary = [chunk for chunk in chunks if chunk is not None]
    return EncodedResponse((header, *binary), len(header) if binary else None)


def _tensor(output: RequestedOutput, array: Array, datatype: str, binary: bool) -> OutputTensor:
    if output.classes:
        array = classify(array, datatype, output.classes, f"output {output.name!r}")
        datatype = BYTES
    return OutputTensor(output.name, datatype, array, binary)


def _output(output: OutputTensor, chunk: bytes | memoryview | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": output.name,
        "datatype": output.datatype,
        "shape": list(output.array.shape),
    }
    if chunk is None:
        return document | {"data": json_data.encode(output.array, output.datatype, f"output {output.name!r}")}
    return document | {"parameters": {"binary_data_size": len(chunk)}}
