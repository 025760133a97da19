"""Bytes -> `InferRequest` -> feeds for a session."""

from collections.abc import Mapping, Sequence
from typing import Any

from burnish_engine.descriptor import TensorSpec
from burnish_runtime import check
from burnish_runtime.session import Array
from burnish_serving.errors import BodyTooLarge, InvalidRequest
from burnish_serving.protocol import binary_data, fields, json_data, schedule_policy
from burnish_serving.protocol.datatypes import DATATYPES, dtype_of
from burnish_serving.protocol.messages import InferRequest, InputTensor, RequestedOutput

HEADER_LENGTH = "Inference-Header-Content-Length"
# Elements of JSON become objects that take several times their text. Large tensors travel as bytes.
MAX_JSON_BYTES = 32 << 20
_REFUSED = ("shared_memory_region",)


class _Tail:
    """The bytes behind the JSON: inputs take theirs in the order in which they are listed."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._offset = data, 0

    def take(self, count: int, subject: str) -> memoryview:
        end = self._offset + count
        if end > len(self._data):
            raise InvalidRequest(
                subject, found=f"{len(self._data) - self._offset} bytes left", expected=f"{count} bytes"
            )
        taken, self._offset = self._data[self._offset : end], end
        return taken

    def check_used(self) -> None:
        if self._offset != len(self._data):
            raise InvalidRequest(
                "request",
                found=f"{len(self._data)} bytes behind the JSON",
                expected=f"{self._offset} bytes, as the inputs' binary_data_size say",
            )


def decode_request(
    body: bytes | bytearray | memoryview, header_length: str | None, max_json_bytes: int = MAX_JSON_BYTES
) -> InferRequest:
    """Read a request. Arrays of binary tensors are views of the body.

    Args: header_length: the header `Inference-Header-Content-Length` as sent, None: all is JSON.
    Raises: InvalidRequest; BodyTooLarge: the JSON alone.
    """
    view = memoryview(body)
    length = len(view) if header_length is None else _header_length(header_length, len(view))
    if length > max_json_bytes:
        raise _json_too_large(length, max_json_bytes)
    document, tail = fields.parse_object(view[:length]), _Tail(view[length:])
    inputs = tuple(_input(item, tail) for item in fields.items(document.get("inputs"), "inputs"))
    tail.check_used()
    fields.check_unique([tensor.name for tensor in inputs], "inputs")
    outputs = tuple(_output(item) for item in fields.items(document.get("outputs", []), "outputs"))
    fields.check_unique([output.name for output in outputs], "outputs")
    parameters = _parameters(document, "request")
    return InferRequest(
        inputs=inputs,
        outputs=outputs,
        id=fields.text(document["id"], "id") if "id" in document else None,
        binary=bool(_flag(parameters, "binary_data_output", "request")),
        timeout_seconds=schedule_policy.timeout_seconds(parameters),
        priority=schedule_policy.priority(parameters),
    )


def to_feeds(request: InferRequest, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """The request's arrays by input name, checked against the model.

    Raises: InvalidRequest: a datatype; burnish_runtime.errors.InvalidInput: names or shapes.
    """
    check.names([tensor.name for tensor in request.inputs], specs)
    by_name = {spec.name: spec for spec in specs}
    for tensor in request.inputs:
        spec = by_name[tensor.name]
        expected = DATATYPES[spec.dtype]
        if tensor.datatype != expected:
            raise InvalidRequest(
                f"input {tensor.name!r}",
                found=f"datatype {tensor.datatype}",
                expected=f"datatype {expected}",
            )
        check.shape(tensor.array.shape, spec)
    return {tensor.name: tensor.array for tensor in request.inputs}


def _json_too_large(found: int, limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        "request",
        found=f"{found} bytes of JSON",
        expected=f"at most {limit} bytes",
        remedy="Send tensors as binary data, or raise --max-json-bytes.",
    )


def _header_length(text: str, available: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and 0 < int(text) <= available):
        raise InvalidRequest(
            HEADER_LENGTH, found=repr(text[:40]), expected=f"a number from 1 to {available}, the body's size"
        )
    return int(text)


def _input(value: Any, tail: _Tail) -> InputTensor:
    item = fields.mapping(value, "inputs")
    name = fields.text(item.get("name"), "an input's name")
    subject = f"input {name[:80]!r}"
    datatype = fields.text(item.get("datatype"), f"{subject}, datatype")
    dtype_of(datatype, subject)
    shape = fields.shape(item.get("shape"), f"{subject}, shape")
    parameters = _parameters(item, subject)
    if "binary_data_size" not in parameters:
        data = fields.items(item.get("data"), f"{subject}, data")
        return InputTensor(name, datatype, json_data.decode(data, datatype, shape, subject))
    if "data" in item:
        raise InvalidRequest(subject, found="both data and binary_data_size", expected="one of them")
    size = fields.size(parameters["binary_data_size"], f"{subject}, binary_data_size")
    return InputTensor(name, datatype, binary_data.decode(tail.take(size, subject), datatype, shape, subject))


def _output(value: Any) -> RequestedOutput:
    item = fields.mapping(value, "outputs")
    name = fields.text(item.get("name"), "an output's name")
    subject = f"output {name[:80]!r}"
    parameters = _parameters(item, subject)
    classes = fields.size(parameters.get("classification", 0), f"{subject}, classification")
    return RequestedOutput(name, _flag(parameters, "binary_data", subject), classes)


def _parameters(item: Mapping[str, Any], subject: str) -> Mapping[str, Any]:
    parameters = fields.mapping(item.get("parameters", {}), f"{subject}, parameters")
    refused = [name for name in _REFUSED if parameters.get(name)]
    if refused:
        raise InvalidRequest(
            subject, found=refused[0], expected="tensors in the body: that extension is not served"
        )
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, subject: str) -> bool | None:
    return fields.flag(parameters[name], f"{subject}, {name}") if name in parameters else None
