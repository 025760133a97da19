"""The process behind `burnish serve`: its ports, signals, and an orderly end."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import uvicorn
from prometheus_client import disable_created_metrics
from starlette.types import ASGIApp

from burnish_engine import outcome
from burnish_engine.faults import diagnosed
from burnish_serving import log, tracing
from burnish_serving.app import create_app, create_metrics_app
from burnish_serving.errors import InvalidSettings
from burnish_serving.gate import Gate
from burnish_serving.grpc.server import GrpcServer
from burnish_serving.http.connections import ConnectionLimits
from burnish_serving.http.wire import bounded
from burnish_serving.known_names import KnownNames
from burnish_serving.lifecycle import drain, start_models
from burnish_serving.loading import Loader, judged_by
from burnish_serving.metrics import ServingMetrics, ShadowMetrics
from burnish_serving.models import Models, Observe
from burnish_serving.observe import Observers
from burnish_serving.settings import ServeSettings
from burnish_serving.shadow.agreement import metric_for
from burnish_serving.shadow.mirror import Mirror
from burnish_serving.shadow.peer import Peer
from burnish_serving.swap import Swaps

LOG = logging.getLogger("burnish.serving")
SIGNALS = (signal.SIGTERM, signal.SIGINT)
CLOSE_SECONDS = 2
SCRAPERS = 64
TOGETHER_SECONDS = 1.0


def run(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return; a second signal ends the wait at once.

    Logs JSON lines to standard error. Where requests are still running when draining ends, the
    process exits with 0 from here: their threads cannot be stopped.
    Raises: InvalidSettings: a port is taken. Whatever `burnish_serving.lifecycle.load` raises.
    """
    log.configure()
    gc.freeze()  # what was imported stays: looking through it again would stop every request for 20 ms
    disable_created_metrics()  # type: ignore[no-untyped-call]
    with _told(settings.outcome), contextlib.ExitStack() as listening:
        # Before anything starts: a port that is taken must not leave half a server behind.
        api = listening.enter_context(_listen(settings.host, settings.http_port))
        scrape = listening.enter_context(_listen(settings.host, settings.metrics_port))
        loop_factory = uvicorn.Config("", log_config=None).get_loop_factory()
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            finished = runner.run(_serve(settings, api, scrape))
            if not finished:
                logging.shutdown()
                os._exit(0)


@contextlib.contextmanager
def _told(path: Path | None) -> Iterator[None]:
    """Write what ended the server to `path`, which a pod shows as its termination message."""
    try:
        yield
    except Exception as error:
        LOG.warning("ended by an error", extra={"reason": str(error)})
        known = diagnosed(error)
        if path is not None and known is not None:
            with contextlib.suppress(OSError):
                path.write_bytes(outcome.of_error(known, key="").to_termination_message())
        raise


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: draining comes before its shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(settings: ServeSettings, api_socket: socket.socket, scrape_socket: socket.socket) -> bool:
    """Serve; returns whether every request that came in was answered."""
    models, metrics = Models(), ServingMetrics()
    gate = Gate(settings.max_pending, metrics.in_flight)
    mirror = _mirror(settings, metrics)
    observe = partial(_observer, settings, mirror) if mirror else None
    swaps = Swaps(settings, models, metrics, Loader(settings).load, observe)
    stop, hurry = _signals()
    metrics.registry.register(KnownNames(models, metrics))
    traces = tracing.from_environment()
    observers = Observers(settings, metrics, traces)
    controlled = swaps if settings.repository_control else None
    rpc = GrpcServer(settings, models, gate, metrics, observers, swaps=controlled)
    await rpc.start()
    app = create_app(settings, models, gate, metrics, observers, swaps=controlled)
    api = _start(api_socket, app, _limits(settings), metrics)
    scrape = _start(scrape_socket, create_metrics_app(metrics), ConnectionLimits(SCRAPERS))
    ports = {"http_port": api.port, "grpc_port": rpc.port, "metrics_port": scrape.port}
    LOG.info("listening", extra=ports)
    loading = asyncio.create_task(start_models(settings, models, swaps))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            await stopping
        finished = await drain(models, gate, settings.drain_seconds, hurry)
    finally:
        stopping.cancel()
        swaps.close()
        if mirror:
            mirror.close()
        await asyncio.gather(api.close(), rpc.close(CLOSE_SECONDS))
        await scrape.close()
        await asyncio.to_thread(traces.close)
    LOG.info("stopped")
    return finished and loading.done()


def _mirror(settings: ServeSettings, metrics: ServingMetrics) -> Mirror | None:
    if settings.shadow is None:
        return None
    peer, told = Peer(settings.shadow), ShadowMetrics(metrics.registry)
    return Mirror(peer, told, share=settings.shadow_share, minimum=settings.shadow_minimum)


def _observer(settings: ServeSettings, mirror: Mirror, model: str, folder: Path) -> Observe:
    return mirror.observer(model, settings.shadow_metric or metric_for(judged_by(folder)))


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Events for the first signal (stop) and a later one (hurry).

    Wrappers often send one wish twice, to the process and to its group: signals that come together
    are one.
    """
    stop, hurry, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()
    together_until = 0.0

    def on_signal() -> None:
        nonlocal together_until
        if not stop.is_set():
            together_until = loop.time() + TOGETHER_SECONDS
            stop.set()
        elif loop.time() > together_until:
            hurry.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal)
    return stop, hurry


class _Running:
    """One application on one port."""

    def __init__(self, server: _Server, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self._server = server
        self._task = asyncio.create_task(server.serve([listener]))

    async def close(self) -> None:
        """Stop listening, let answers that are being sent go out, and end."""
        self._server.should_exit = True
        await self._task


def _limits(settings: ServeSettings) -> ConnectionLimits:
    return ConnectionLimits(
        settings.max_connections, settings.head_timeout_seconds, settings.body_timeout_seconds
    )


def _start(
    listener: socket.socket, app: ASGIApp, limits: ConnectionLimits, watcher: ServingMetrics | None = None
) -> _Running:
    config = uvicorn.Config(
        app,
        http=bounded(limits, watcher),  # type: ignore[arg-type] # it takes any protocol's class
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
    return _Running(_Server(config), listener)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise InvalidSettings(
            f"{host}:{port}", found=str(error), expected="an address to listen on"
        ) from error
