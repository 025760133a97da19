"""Loading and unloading engines by request: Triton's model repository extension.

`POST /v2/repository/models/{model}/load` with `{"parameters": {"burnish.engine": "oci://…@sha256:…"}}`, and
`POST /v2/repository/models/{model}/unload`. Parameters: `protocol.repository`.
"""

from starlette.requests import Request

from burnish_serving.http.body import read_body
from burnish_serving.http.infer import ENGINE_HEADER
from burnish_serving.http.reply import Reply, json_response
from burnish_serving.protocol.repository import json_object, requested_engine
from burnish_serving.swap import Swaps, opened

MAX_BODY_BYTES = 1 << 20
BODY_TIMEOUT_SECONDS = 10.0


class Repository:
    """The two operations, by their names in the table. swaps: None: switched off, and answered so."""

    def __init__(self, swaps: Swaps | None) -> None:
        self._swaps = swaps

    async def load(self, request: Request) -> Reply:
        """`POST …/{model}/load`."""
        swaps = opened(self._swaps)
        parameters = json_object(json_object(await _body(request)).get("parameters", {}), "parameters")
        model = await swaps.load(request.path_params["model"], requested_engine(parameters))
        return json_response({}, headers={ENGINE_HEADER: model.digest})

    async def unload(self, request: Request) -> Reply:
        """`POST …/{model}/unload`."""
        await opened(self._swaps).unload(request.path_params["model"])
        return json_response({})


async def _body(request: Request) -> bytes:
    body = await read_body(
        dict(request.scope["headers"]),
        request.receive,
        limit_bytes=MAX_BODY_BYTES,
        timeout_seconds=BODY_TIMEOUT_SECONDS,
    )
    return bytes(body)
