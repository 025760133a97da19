"""Loading and unloading engines by request: Triton's model repository extension.

`POST /v2/repository/models/{model}/load` with `{"parameters": {"burnish.engine": "oci://…@sha256:…"}}`, and
`POST /v2/repository/models/{model}/unload`. Clients that know Triton's parameters alone say it in `config`:
`{"parameters": {"burnish.engine": {"string_value": "oci://…"}}}`.
Source: triton-inference-server/server, docs/protocol/extension_model_repository.md
"""

import json
from typing import Any

from starlette.requests import Request

from burnish_serving.errors import InvalidRequest, RepositoryClosed
from burnish_serving.http.body import read_body
from burnish_serving.http.infer import ENGINE_HEADER
from burnish_serving.http.reply import Reply, json_response
from burnish_serving.swap import Swaps

ENGINE = "burnish.engine"
MAX_BODY_BYTES = 1 << 20
BODY_TIMEOUT_SECONDS = 10.0


class Repository:
    """The two operations, by their names in the table. swaps: None: switched off, and answered so."""

    def __init__(self, swaps: Swaps | None) -> None:
        self._swaps = swaps

    async def load(self, request: Request) -> Reply:
        """`POST …/{model}/load`."""
        swaps = self._open()
        model = await swaps.load(request.path_params["model"], requested_engine(await _body(request)))
        return json_response({}, headers={ENGINE_HEADER: model.digest})

    async def unload(self, request: Request) -> Reply:
        """`POST …/{model}/unload`."""
        await self._open().unload(request.path_params["model"])
        return json_response({})

    def _open(self) -> Swaps:
        if self._swaps is None:
            raise RepositoryClosed(
                "repository", found="no --repository-control", expected="a server that is started with it"
            )
        return self._swaps


def requested_engine(body: bytes) -> str | None:
    """The engine that a request to load names, None where it names none.

    Raises: InvalidRequest: no JSON object, or parameters that are not known here.
    """
    parameters = _object(_parsed(body).get("parameters", {}), "parameters")
    config = parameters.pop("config", None)
    engine = parameters.pop(ENGINE, None)
    if parameters:
        raise InvalidRequest("parameters", found=", ".join(parameters)[:200], expected=f"{ENGINE}, or config")
    if engine is None and isinstance(config, str):
        told = _object(_parsed(config.encode()).get("parameters", {}), "config.parameters").get(ENGINE)
        engine = told.get("string_value") if isinstance(told, dict) else told
    if engine is not None and not isinstance(engine, str):
        raise InvalidRequest(f"parameter {ENGINE}", found=type(engine).__name__, expected="a string")
    return engine


async def _body(request: Request) -> bytes:
    body = await read_body(
        dict(request.scope["headers"]),
        request.receive,
        limit_bytes=MAX_BODY_BYTES,
        timeout_seconds=BODY_TIMEOUT_SECONDS,
    )
    return bytes(body)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        return _object(json.loads(body or b"{}"), "body")
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("body", found=str(error)[:200], expected="a JSON object") from error


def _object(value: Any, subject: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(subject, found=type(value).__name__, expected="a JSON object")
    return value
