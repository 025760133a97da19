"""Everything but inference: small documents about the server and its models."""

from starlette.requests import Request

from burnish_serving.http import openapi
from burnish_serving.http.reply import Reply, json_response
from burnish_serving.models import Models, ServedModel
from burnish_serving.protocol import metadata, statistics


class Pages:
    """One method an operation, by the name that it has in `burnish_serving.http.operations`."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._openapi = openapi.document()

    async def server(self, _: Request) -> Reply:
        """`GET /v2`."""
        return json_response(metadata.server_metadata())

    async def openapi(self, _: Request) -> Reply:
        """`GET /v2/openapi.json`."""
        return json_response(self._openapi)

    async def live(self, _: Request) -> Reply:
        """`GET /v2/health/live`."""
        return json_response({"live": True})

    async def ready(self, _: Request) -> Reply:
        """`GET /v2/health/ready`."""
        return _readiness(ready=self._models.is_ready)

    async def index(self, _: Request) -> Reply:
        """`POST /v2/repository/index`."""
        state = "READY" if self._models.is_ready else "UNAVAILABLE"
        return json_response(metadata.repository_index({m.name: state for m in self._models.all()}))

    async def model_names(self, _: Request) -> Reply:
        """`GET /v2/models`, as KServe's server has it."""
        return json_response({"models": [model.name for model in self._models.all()]})

    async def model(self, request: Request) -> Reply:
        """`GET …/{model}`."""
        model = self._find(request)
        return json_response(metadata.model_metadata(model.name, model.descriptor))

    async def model_ready(self, request: Request) -> Reply:
        """`GET …/{model}/ready`."""
        self._find(request)
        return _readiness(ready=self._models.is_ready)

    async def model_config(self, request: Request) -> Reply:
        """`GET …/{model}/config`."""
        model = self._find(request)
        return json_response(metadata.model_config(model.name, model.descriptor))

    async def statistics(self, request: Request) -> Reply:
        """`GET …/{model}/stats`."""
        return json_response({"model_stats": [statistics.complete(self._find(request).statistics())]})

    async def all_statistics(self, _: Request) -> Reply:
        """`GET /v2/models/stats`."""
        every = [statistics.complete(model.statistics()) for model in self._models.all()]
        return json_response({"model_stats": every})

    def _find(self, request: Request) -> ServedModel:
        return self._models.find(request.path_params["model"], request.path_params.get("version"))


def _readiness(*, ready: bool) -> Reply:
    return json_response({"ready": ready}, 200 if ready else 503)
