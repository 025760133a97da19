"""The server's ASGI applications: the protocol on one port, metrics on another."""

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from burnish_engine.errors import BurnishError
from burnish_serving.gate import Gate
from burnish_serving.http.failures import failure, json_response, refusal
from burnish_serving.http.infer import InferEndpoint
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models
from burnish_serving.protocol import metadata
from burnish_serving.settings import ServeSettings


def create_app(settings: ServeSettings, models: Models, gate: Gate, metrics: ServingMetrics) -> Starlette:
    """The Open Inference Protocol over the given models. They may be loaded later: until then 503."""
    pages, infer = _Pages(models), InferEndpoint(settings, models, gate, metrics)
    routes = [
        Route("/v2", pages.server),
        Route("/v2/health/live", pages.live),
        Route("/v2/health/ready", pages.ready),
        Route("/v2/repository/index", pages.index, methods=["POST"]),
        Route("/v2/models/stats", pages.all_statistics),
    ]
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route(path, pages.model),
            Route(f"{path}/ready", pages.model_ready),
            Route(f"{path}/config", pages.model_config),
            Route(f"{path}/stats", pages.statistics),
            Route(f"{path}/infer", infer.handle, methods=["POST"]),
        ]
    return Starlette(
        routes=routes, exception_handlers={BurnishError: _on_burnish_error, HTTPException: _on_http_error}
    )


def create_metrics_app(metrics: ServingMetrics) -> Starlette:
    """`GET /metrics`, in the text format or OpenMetrics, as the scraper prefers."""

    async def page(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"Content-Type": content_type})

    return Starlette(routes=[Route("/metrics", page)])


class _Pages:
    """Everything but inference: small documents about the server and its models."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def server(self, _: Request) -> Response:
        return json_response(metadata.server_metadata())

    async def live(self, _: Request) -> Response:
        return json_response({"live": True})

    async def ready(self, _: Request) -> Response:
        return _readiness("ready", ready=self._models.is_ready)

    async def index(self, _: Request) -> Response:
        state = "READY" if self._models.is_ready else "UNAVAILABLE"
        return json_response(metadata.repository_index({m.name: state for m in self._models.all()}))

    async def model(self, request: Request) -> Response:
        model = self._models.find(**_wanted(request))
        return json_response(metadata.model_metadata(model.name, model.descriptor))

    async def model_ready(self, request: Request) -> Response:
        self._models.find(**_wanted(request))
        return _readiness("ready", ready=self._models.is_ready)

    async def model_config(self, request: Request) -> Response:
        model = self._models.find(**_wanted(request))
        return json_response(metadata.model_config(model.name, model.descriptor))

    async def statistics(self, request: Request) -> Response:
        return json_response({"model_stats": [self._models.find(**_wanted(request)).statistics()]})

    async def all_statistics(self, _: Request) -> Response:
        return json_response({"model_stats": [model.statistics() for model in self._models.all()]})


def _wanted(request: Request) -> dict[str, str]:
    names = {"model": "name", "version": "version"}
    return {names[key]: value for key, value in request.path_params.items()}


def _readiness(name: str, *, ready: bool) -> Response:
    return json_response({name: ready}, 200 if ready else 503)


async def _on_burnish_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, BurnishError)  # noqa: S101 - registered for it
    return refusal(error)


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    response = failure(error.detail, error.status_code)
    response.headers.update(error.headers or {})
    return response
