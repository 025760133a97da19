"""Engines come and go while the server answers: load beside, verify, switch between two requests, unload.

One change at a time. A change that fails leaves what served. Used on the event loop; blocking work is done
on a thread. No protocol is known here: HTTP and gRPC call the same three methods.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from burnish_engine.descriptor import EngineDescriptor
from burnish_engine.errors import BurnishError
from burnish_engine.oci.reference import SCHEME, Reference
from burnish_runtime import memory
from burnish_serving.errors import (
    ForbiddenEngine,
    InvalidSettings,
    RepositoryClosed,
    SwapRefused,
    UnknownModel,
)
from burnish_serving.loading import Load, Loaded
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models, Observe, ServedModel, State
from burnish_serving.settings import ServeSettings
from burnish_serving.workers import Workers

LOG = logging.getLogger("burnish.serving")
PREVIOUS = "previous"
# Further changes wait behind the one in hand; nobody needs more.
MAX_WAITING = 4
Result = TypeVar("Result")


class Swaps:
    """Which engine serves under which name, and which one did before.

    observe: makes, of a model's name and its engine's folder, who is told of every answer.
    """

    def __init__(
        self,
        settings: ServeSettings,
        models: Models,
        metrics: ServingMetrics,
        load: Load,
        observe: Callable[[str, Path], Observe] | None = None,
    ) -> None:
        self._settings, self._models, self._metrics = settings, models, metrics
        self._load, self._observe = load, observe
        self._serving: dict[str, str] = {}
        self._previous: dict[str, str] = {}
        self._lock, self._waiting = asyncio.Lock(), 0
        self._changes: set[asyncio.Task[Any]] = set()
        self._workers = Workers("load")

    async def start(self, name: str | None, engine: str) -> ServedModel:
        """Load what the server was started with; the name is the engine's own, where none is given.

        Raises: InvalidSettings: a name that is taken. Whatever is wrong with the engine.
        """
        loaded = await self._loaded(engine, beside=False)
        name = name or loaded.engine.descriptor.name
        if self._models.get(name) is not None:
            loaded.unload()
            raise InvalidSettings("engine", found=f"two of name {name!r}", expected="NAME=ENGINE for each")
        return self._serve(name, engine, loaded)

    async def load(self, name: str, engine: str | None = None) -> ServedModel:
        """Serve `engine` as `name` from now on, in place of what served, which is remembered.

        Args: engine: `oci://…@sha256:…`, "previous" for the one that served before, None for the one that
            serves (or served, before it was unloaded).
        Raises: SwapRefused: loading, draining, or too many changes at once. NotEnoughMemory. ForbiddenEngine.
            Whatever is wrong with the engine. What served goes on serving then.
        """
        wanted = self._wanted(name, engine)
        self._refuse_unless_serving(name)
        if self._waiting >= MAX_WAITING:
            raise SwapRefused(
                f"model {name[:80]!r}",
                found=f"{self._waiting} changes in line",
                expected=f"fewer than {MAX_WAITING}",
            )
        self._waiting += 1
        return await self._finished(self._in_turn(name, wanted))

    async def unload(self, name: str) -> None:
        """Serve `name` no more. It can be loaded again.

        Raises: UnknownModel, SwapRefused.
        """
        self._refuse_unless_serving(name)
        await self._finished(self._removed(name))

    async def _in_turn(self, name: str, wanted: str) -> ServedModel:
        try:
            async with self._lock:
                return await self._counted(name, wanted)
        finally:
            self._waiting -= 1

    async def _removed(self, name: str) -> None:
        async with self._lock:
            model = self._models.find(name)
            self._models.remove(name)
            model.retire(None)
            await self._unloaded(model)
            LOG.info("unloaded", extra={"model": name, "digest": model.digest})

    async def _finished(self, change: Coroutine[Any, Any, Result]) -> Result:
        """What has begun is finished, though whoever asked for it may be gone: gRPC cancels its handlers."""
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._changes.discard(task)
        if not task.cancelled():
            task.exception()  # logged where it was raised, and nobody may be left to ask for it

    def close(self) -> None:
        """Let the loading thread end."""
        self._workers.close()

    def _wanted(self, name: str, engine: str | None) -> str:
        if engine is None or engine == PREVIOUS:
            known = (self._serving if engine is None else self._previous).get(name)
            if known is None:
                raise UnknownModel(
                    f"model {name[:80]!r}",
                    found=f"no {'engine' if engine is None else 'previous engine'}",
                    expected="a model that was loaded here before, or the engine to load",
                    remedy="Name the engine: parameter burnish.engine, oci://…@sha256:….",
                )
            return known
        self._check_allowed(engine)
        return engine

    def _check_allowed(self, engine: str) -> None:
        reference = Reference.parse(engine) if engine.startswith(SCHEME) else None
        if reference is None or reference.digest is None:
            raise ForbiddenEngine(engine[:300], found="no digest", expected="oci://host/repository@sha256:…")
        allowed = self._settings.swap_repositories
        if reference.name not in allowed:
            raise ForbiddenEngine(
                engine[:300],
                found=f"repository {reference.name}",
                expected=f"one of {', '.join(allowed) or 'none'}",
                remedy="Start the server with --swap-from for further repositories.",
            )

    def _refuse_unless_serving(self, name: str) -> None:
        state = self._models.state
        if state is not State.READY:
            found = f"a server that is {state.name.lower()}"
            raise SwapRefused(f"model {name[:80]!r}", found=found, expected="one that serves")

    async def _counted(self, name: str, engine: str) -> ServedModel:
        started, old = time.perf_counter(), self._serving.get(name)
        try:
            model = await self._swapped(name, engine)
        except Exception as error:
            known = isinstance(error, BurnishError)
            self._metrics.swap(name if old else "", type(error).__name__ if known else "Defect")
            LOG.warning("not swapped", extra={"model": name, "engine": engine, "reason": str(error)})
            raise
        self._metrics.swap(name, "swapped")
        seconds = round(time.perf_counter() - started, 3)
        LOG.info("swapped", extra={"model": name, "engine": engine, "before": old, "seconds": seconds})
        return model

    async def _swapped(self, name: str, engine: str) -> ServedModel:
        old = self._models.get(name)
        if old is not None and (self._serving[name] == engine or old.digest == _digest(engine)):
            return old
        loaded = await self._loaded(engine, beside=True)
        try:
            self._refuse_unless_serving(name)
            if old is not None:
                _check_signature(old.descriptor, loaded.engine.descriptor)
        except BurnishError:
            loaded.unload()
            raise
        # From here to the end of `_serve` nothing waits: a request sees the old engine or the new one.
        model = self._serve(name, engine, loaded)
        if old is not None:
            old.retire(model)
            await self._unloaded(old)
        return model

    async def _loaded(self, engine: str, *, beside: bool) -> Loaded:
        return await self._workers.run(lambda: self._load(engine, beside))

    def _serve(self, name: str, engine: str, loaded: Loaded) -> ServedModel:
        observe = self._observe(name, loaded.folder.path) if self._observe else None
        model = ServedModel(
            name,
            loaded.folder.digest,
            loaded.engine,
            self._metrics,
            schedule=loaded.schedule,
            observe=observe,
            release=loaded.folder.release,
        )
        if engine.startswith(SCHEME):  # a tag may point elsewhere when it is gone back to
            engine = str(Reference.parse(engine).at(loaded.folder.digest))
        before = self._serving.get(name)
        if before is not None and before != engine:
            self._previous[name] = before
        self._serving[name] = engine
        self._models.add(model)
        return model

    async def _unloaded(self, model: ServedModel) -> None:
        """Wait for the requests inside, then free. One that hangs is left behind, and told."""
        try:
            async with asyncio.timeout(self._settings.drain_seconds):
                await model.finished()
        except TimeoutError:
            LOG.warning("an engine could not be unloaded: it still runs", extra={"digest": model.digest})
            return
        await model.unload()
        await self._workers.run(memory.give_back)


def opened(swaps: Swaps | None) -> Swaps:
    """What changes engines by request. Raises: RepositoryClosed: that is switched off."""
    if swaps is None:
        raise RepositoryClosed(
            "repository", found="no --repository-control", expected="a server that is started with it"
        )
    return swaps


def _check_signature(old: EngineDescriptor, new: EngineDescriptor) -> None:
    """Requests on their way fit the old engine: they must fit the new one."""
    before, after = (
        [(spec.name, spec.dtype, len(spec.shape)) for spec in (*engine.inputs, *engine.outputs)]
        for engine in (old, new)
    )
    if before != after:
        raise ForbiddenEngine(
            f"engine {new.name!r}",
            found=f"inputs and outputs {after}"[:600],
            expected=f"{before}, those of the engine that serves"[:600],
            remedy="Unload the model first, or serve the new one under another name.",
        )


def _digest(engine: str) -> str | None:
    return Reference.parse(engine).digest if engine.startswith(SCHEME) else None
