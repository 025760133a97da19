"""The life of a server: load, serve, drain. No sockets and no signals here."""

import asyncio
import logging
import time

from burnish_runtime import memory
from burnish_serving.gate import Gate
from burnish_serving.models import Models, State
from burnish_serving.settings import ServeSettings
from burnish_serving.swap import Swaps

LOG = logging.getLogger("burnish.serving")
# Endpoints forget a pod that is not ready some moments later; until then its traffic must be answered.
SETTLE_SECONDS = 3.0


async def start_models(settings: ServeSettings, models: Models, swaps: Swaps) -> None:
    """Load every engine off the event loop (probes are answered meanwhile), then be ready.

    Raises: whatever is wrong with a reference, an engine or a backend, as a BurnishError.
    """
    started = time.perf_counter()
    for name, engine in settings.engines:
        model = await swaps.start(name, engine)
        LOG.info(
            "loaded",
            extra={
                "model": model.name,
                "digest": model.digest,
                "backend": model.descriptor.backend.value,
                "precision": model.descriptor.precision.value,
                "instances": model.policy.instances,
                "max_batch": model.policy.max_rows,
                "seconds": round(time.perf_counter() - started, 3),
                "resident_bytes": memory.current_bytes(),
            },
        )
    if models.state is State.LOADING:
        models.state = State.READY
    LOG.info(
        "ready",
        extra={"models": {model.name: model.digest for model in models.all()}, "digest": model.digest},
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
