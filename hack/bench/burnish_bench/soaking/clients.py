"""The clients of a soak: NVIDIA's over HTTP and gRPC, and a plain one for the rest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import tritonclient.grpc.aio as triton_grpc
import tritonclient.http.aio as triton_http

from burnish_bench.serving.modes import REQUEST_ID, Arrays, Call, Mode, grpc_parts, http_parts
from burnish_bench.serving.tools import Ports

TIMEOUT_SECONDS = 30.0
# Less than servers keep idle connections: else both may use and close one in the same moment (RFC 9112, 9.5).
IDLE = httpx.Limits(keepalive_expiry=1.0)


class Unexpected(Exception):
    """An answer that was not the one that is right."""


@dataclass(frozen=True)
class Clients:
    """All of them, and what they ask for."""

    model: str
    ports: Ports
    plain: httpx.AsyncClient
    http: Any
    grpc: Any

    @property
    def infer_path(self) -> str:
        """Where inference is asked for over HTTP."""
        return f"/v2/models/{self.model}/infer"

    async def infer_http(self, call: Call, *, binary: bool, compression: str | None = None) -> Arrays:
        """One inference over HTTP."""
        inputs, outputs, headers = http_parts(call, Mode.HTTP_BINARY if binary else Mode.HTTP_JSON)
        answer = await self.http.infer(
            self.model,
            inputs,
            outputs=outputs,
            request_id=REQUEST_ID,
            headers=headers,
            request_compression_algorithm=compression,
            response_compression_algorithm=compression,
        )
        return {name: answer.as_numpy(name) for name in call.outputs}

    async def infer_grpc(self, call: Call, model: str = "") -> Arrays:
        """One inference over gRPC."""
        inputs, outputs = grpc_parts(call)
        answer = await self.grpc.infer(
            model or self.model, inputs, outputs=outputs, client_timeout=TIMEOUT_SECONDS
        )
        return {name: answer.as_numpy(name) for name in call.outputs}


@asynccontextmanager
async def connected(model: str, ports: Ports) -> AsyncIterator[Clients]:
    """Clients of a server on loopback."""
    address = f"127.0.0.1:{ports.http}"
    async with (
        httpx.AsyncClient(base_url=f"http://{address}", timeout=TIMEOUT_SECONDS, limits=IDLE) as plain,
        triton_http.InferenceServerClient(address, conn_timeout=TIMEOUT_SECONDS) as http,
        triton_grpc.InferenceServerClient(f"127.0.0.1:{ports.grpc}") as grpc,
    ):
        yield Clients(model, ports, plain, http, grpc)
