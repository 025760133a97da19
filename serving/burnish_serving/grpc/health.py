"""`grpc.health.v1.Health`: of the server as a whole, of its service, and of each model by name.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
from typing import Any

from burnish_serving.errors import UnknownModel
from burnish_serving.grpc.context import Context, write
from burnish_serving.grpc.decode import parse
from burnish_serving.grpc.proto.health_pb2 import HealthCheckRequest, HealthCheckResponse
from burnish_serving.models import Models

Status = HealthCheckResponse.ServingStatus
# Readiness changes a few times in a server's life; whoever watches learns of it within this.
WATCH_SECONDS = 0.2


class Health:
    """Follows readiness, as `/v2/health/ready` does."""

    def __init__(self, models: Models, services: tuple[str, ...]) -> None:
        self._models, self._whole = models, ("", *services)

    def check(self, request: HealthCheckRequest) -> HealthCheckResponse:
        """The status now. Raises: UnknownModel: neither a service nor a model of this server."""
        status = self._status(request.service)
        if status == Status.SERVICE_UNKNOWN:
            raise UnknownModel(
                f"service {request.service[:80]!r}", found="no such service", expected="a model or a service"
            )
        return HealthCheckResponse(status=status)

    async def watch(self, data: bytes, context: Context) -> None:
        """Send the status, and again when it changes, until the client goes away."""
        service, told = parse(HealthCheckRequest, data).service, None
        while True:
            status = self._status(service)
            if status != told:
                await write(context, HealthCheckResponse(status=status).SerializeToString())
                told = status
            await asyncio.sleep(WATCH_SECONDS)

    def _status(self, service: str) -> Any:
        """A model that is not there is unknown, unless models are still being loaded."""
        loaded = [model.name for model in self._models.all()]
        if service not in self._whole and loaded and service not in loaded:
            return Status.SERVICE_UNKNOWN
        return Status.SERVING if self._models.is_ready else Status.NOT_SERVING
