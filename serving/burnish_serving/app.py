"""The server's ASGI applications: the protocol on one port, metrics on another."""

from typing import Any

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from burnish_engine.errors import BurnishError
from burnish_serving.gate import Gate
from burnish_serving.http.failures import failure, refusal
from burnish_serving.http.infer import InferEndpoint, target_of
from burnish_serving.http.operations import OPERATIONS
from burnish_serving.http.pages import Pages
from burnish_serving.http.reply import Reply
from burnish_serving.http.repository import Repository
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models
from burnish_serving.observe import Observers
from burnish_serving.settings import ServeSettings
from burnish_serving.swap import Swaps


def create_app(
    settings: ServeSettings,
    models: Models,
    gate: Gate,
    metrics: ServingMetrics,
    observers: Observers,
    *,
    swaps: Swaps | None = None,
) -> ASGIApp:
    """The Open Inference Protocol over the given models. They may be loaded later: until then 503.

    swaps: what changes engines by request; None: that is refused.
    """
    infer, router = InferEndpoint(settings, models, gate, metrics, observers), create_router(models, swaps)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        # Inference does without the router: matching a dozen paths costs as much as a small model.
        target = target_of(scope)
        if target is None:
            await router(scope, receive, send)
        else:
            await infer(target, scope, receive, send)

    return application


def create_router(models: Models, swaps: Swaps | None = None) -> Starlette:
    """Everything but inference, of which it only knows the paths."""
    all_pages = (Pages(models), Repository(swaps))
    handlers = {name: getattr(pages, name) for pages in all_pages for name in _names(pages)}
    handlers["infer"] = _not_here
    routes = [Route(o.path, handlers[o.name], methods=[o.method]) for o in OPERATIONS]
    routes.append(Route("/v2/", handlers["server"]))
    handled: Any = {  # Starlette's types ask for its own responses, and it takes any ASGI application
        BurnishError: _on_burnish_error,
        HTTPException: _on_http_error,
        Exception: _on_unexpected_error,
    }
    router = Starlette(routes=routes, exception_handlers=handled)
    router.router.redirect_slashes = False
    return router


def create_metrics_app(metrics: ServingMetrics) -> Starlette:
    """`GET /metrics`, in the text format or OpenMetrics, as the scraper prefers."""

    async def page(request: Request) -> Reply:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Reply([encode(metrics.registry)], media_type=content_type)

    return Starlette(routes=[Route("/metrics", page)])


def _names(pages: Pages | Repository) -> list[str]:
    return [name for name in dir(pages) if not name.startswith("_")]


async def _not_here(_: Request) -> Reply:
    raise HTTPException(404)


async def _on_burnish_error(_: Request, error: BurnishError) -> Reply:
    return refusal(error)


async def _on_http_error(request: Request, error: HTTPException) -> Reply:
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] += ", OPTIONS"
        if request.method == "OPTIONS":
            return Reply([], 200, headers)
    reply = failure(f"{request.method[:20]} {request.url.path[:200]}: {error.detail}.", error.status_code)
    reply.headers.update(headers)
    return reply


async def _on_unexpected_error(_: Request, __: Exception) -> Reply:
    return failure("internal error", 500)
