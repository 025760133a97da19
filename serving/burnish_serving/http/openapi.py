"""The OpenAPI 3.1 document of the HTTP port, made from the table of operations."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from burnish_engine import __version__
from burnish_serving.http.operations import OPERATIONS, Operation
from burnish_serving.http.schemas import SCHEMAS
from burnish_serving.protocol.decode import HEADER_LENGTH

_JSON, _BINARY = "application/json", "application/octet-stream"
_PARAMETER = re.compile(r"\{(\w+)\}")


def document(operations: Iterable[Operation] = OPERATIONS) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Burnish",
            "version": __version__,
            "description": "The Open Inference Protocol, version 2, with Triton's extensions.",
        },
        "paths": paths,
        "components": {"schemas": dict(SCHEMAS)},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    versioned = "_version" if "{version}" in operation.path else ""
    described: dict[str, Any] = {
        "operationId": operation.name + versioned,
        "summary": operation.summary,
        "parameters": [_path_parameter(name) for name in _PARAMETER.findall(operation.path)],
        "responses": {"200": _answer(operation)}
        | {str(status): _error(status) for status in operation.statuses},
    }
    if operation.takes is not None:
        described["parameters"].append(_HEADER_LENGTH_SENT)
        described["requestBody"] = {"required": True, "content": _content(operation.takes, binary=True)}
    return described


def _answer(operation: Operation) -> dict[str, Any]:
    binary = operation.takes is not None
    answer = {"description": "Done.", "content": _content(operation.gives, binary=binary)}
    return answer | ({"headers": {HEADER_LENGTH: _HEADER_LENGTH}} if binary else {})


def _error(status: int) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": _content("Error", binary=False)}


def _content(schema: str, *, binary: bool) -> dict[str, Any]:
    content: dict[str, Any] = {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return content | ({_BINARY: {"schema": {"type": "string", "format": "binary"}}} if binary else {})


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_HEADER_LENGTH = {
    "description": "Bytes of the JSON in front of binary tensors. Absent: all is JSON.",
    "schema": {"type": "integer", "minimum": 1},
}
_HEADER_LENGTH_SENT = {"name": HEADER_LENGTH, "in": "header", "required": False, **_HEADER_LENGTH}
