"""The life of a server: load, serve, drain. No sockets and no signals here."""

import asyncio
import logging
import time
from dataclasses import dataclass

from burnish_runtime import memory
from burnish_runtime.load import Engine
from burnish_serving.gate import Gate
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models, ServedModel, State
from burnish_serving.scheduling.opening import open_scheduled
from burnish_serving.scheduling.schedule import Schedule
from burnish_serving.settings import ServeSettings
from burnish_serving.source import EngineFolder, locate
from burnish_serving.workers import Workers

LOG = logging.getLogger("burnish.serving")
# Endpoints forget a pod that is not ready some moments later; until then its traffic must be answered.
SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class Loaded:
    """An engine that is warm."""

    folder: EngineFolder
    engine: Engine
    schedule: Schedule


def load(settings: ServeSettings) -> Loaded:
    """Fetch, verify, load and warm up. Blocks.

    Raises: whatever is wrong with the reference, the engine or the backend, as a BurnishError.
    """
    LOG.info("fetching the engine", extra={"engine": settings.engine})
    folder = locate(settings.engine, settings.cache)
    LOG.info("loading the engine", extra={"digest": folder.digest})
    engine, schedule = open_scheduled(folder.path, settings)
    engine.warm_up()
    return Loaded(folder, engine, schedule)


async def load_models(settings: ServeSettings, models: Models, metrics: ServingMetrics) -> None:
    """Load off the event loop (probes are answered meanwhile), then be ready."""
    started = time.perf_counter()
    workers = Workers("load")
    try:
        loaded = await workers.run(lambda: load(settings))
    finally:
        workers.close()
    descriptor = loaded.engine.descriptor
    name = settings.model_name or descriptor.name
    models.add(ServedModel(name, loaded.folder.digest, loaded.engine, metrics, loaded.schedule))
    if models.state is State.LOADING:
        models.state = State.READY
    LOG.info(
        "ready",
        extra={
            "model": name,
            "digest": loaded.folder.digest,
            "backend": descriptor.backend.value,
            "precision": descriptor.precision.value,
            "instances": loaded.schedule.policy.instances,
            "max_batch": loaded.schedule.policy.max_rows,
            "seconds": round(time.perf_counter() - started, 3),
            "resident_bytes": memory.current_bytes(),
        },
    )


async def drain(models: Models, gate: Gate, drain_seconds: float, hurry: asyncio.Event) -> bool:
    """Be not ready, go on answering until traffic stays away and nobody is inside, or time is up.

    Args: hurry: set it to end the wait now.   Returns: whether every request was answered.
    """
    settle_seconds = min(SETTLE_SECONDS, drain_seconds / 4) if models.is_ready else 0.0
    models.state = State.DRAINING
    LOG.info("draining", extra={"in_flight": gate.inside, "drain_seconds": drain_seconds})
    waiting = asyncio.create_task(_settled(gate, settle_seconds))
    hurrying = asyncio.create_task(hurry.wait())
    await asyncio.wait({waiting, hurrying}, timeout=drain_seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in (waiting, hurrying):
        task.cancel()
    LOG.info("drained", extra={"given_up": gate.inside})
    return not gate.inside


async def _settled(gate: Gate, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await gate.emptied()
