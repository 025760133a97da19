"""A model that answers requests of any protocol, and the one place where it is found by name."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from burnish_engine.descriptor import EngineDescriptor
from burnish_engine.errors import BurnishError
from burnish_runtime.load import Engine
from burnish_runtime.session import Array
from burnish_serving.errors import NotReady, UnknownModel
from burnish_serving.metrics import ServingMetrics
from burnish_serving.protocol.decode import to_feeds
from burnish_serving.protocol.encode import answer
from burnish_serving.protocol.messages import InferRequest, InferResponse, Timing
from burnish_serving.protocol.metadata import MODEL_VERSION
from burnish_serving.uses import Uses
from burnish_serving.workers import Timed, Workers

# Is told of a request and its answer, once it is computed. Must not wait.
Observe = Callable[[InferRequest, InferResponse], None]


class State(Enum):
    """Where the server is in its life."""

    LOADING = auto()
    READY = auto()
    DRAINING = auto()


@dataclass
class _Duration:
    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds

    def document(self) -> dict[str, int]:
        return {"count": self.count, "ns": round(self.seconds * 1e9)}


class ServedModel:
    """One loaded engine under one name. `infer` is called on the event loop and computes off it.

    One thread: the engine was measured alone with all of its compute threads, and two runs at once
    would fight for the same processors. Requests wait in order instead, and the wait is measured.

    observe: see `Observe`.   release: is called when the engine is unloaded.
    """

    def __init__(
        self,
        name: str,
        digest: str,
        engine: Engine,
        metrics: ServingMetrics,
        *,
        observe: Observe | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        self.name, self.digest = name, digest
        self._observe, self._release = observe, release
        self._uses = Uses()
        self._successor: ServedModel | None = self
        self._engine, self._metrics = engine, metrics
        self._workers = Workers(f"infer-{name}")
        self._success, self._fail, self._queue, self._compute = (_Duration() for _ in range(4))
        metrics.engine_loaded(name, digest, engine.descriptor, engine.load_seconds)
        self._answered = metrics.answered(name, digest)

    @property
    def descriptor(self) -> EngineDescriptor:
        """The engine's own description."""
        return self._engine.descriptor

    async def infer(self, request: InferRequest) -> InferResponse:
        """Answer a request.

        Raises: InvalidRequest, burnish_runtime.errors.InvalidInput: the request does not fit.
            burnish_runtime.errors.InferenceFailed: the engine broke.
        """
        if self._successor is not self:  # since the caller found this one
            return await self._after_us().infer(request)
        with self._uses.one():
            response = await self._answer(request)
        self._answered.inc()
        if self._observe:
            self._observe(request, response)
        return response

    async def _answer(self, request: InferRequest) -> InferResponse:
        feeds = to_feeds(request, self.descriptor.inputs)
        wanted = [output.name for output in request.outputs] or [s.name for s in self.descriptor.outputs]
        timed = await self._run(feeds, wanted)
        response = answer(
            request, timed.value, self.descriptor.outputs, model_name=self.name, model_version=MODEL_VERSION
        )
        timing = Timing(timed.queue_seconds, timed.compute_seconds, time.perf_counter())
        return replace(response, timing=timing, engine=self.digest)

    def statistics(self) -> dict[str, Any]:
        """Counts since the start, in the shape of Triton's statistics extension."""
        return {
            "name": self.name,
            "version": MODEL_VERSION,
            "inference_count": self._success.count,
            "execution_count": self._success.count,
            "inference_stats": {
                "success": self._success.document(),
                "fail": self._fail.document(),
                "queue": self._queue.document(),
                "compute_infer": self._compute.document(),
            },
        }

    def retire(self, successor: "ServedModel | None") -> None:
        """Take no further request: whoever still comes here is answered by the successor, or refused."""
        self._successor = successor

    def _after_us(self) -> "ServedModel":
        if self._successor is None:
            raise UnknownModel(
                f"model {self.name!r}", found="a model that was unloaded", expected="a loaded one"
            )
        return self._successor

    async def finished(self) -> None:
        """Wait until no request is inside."""
        await self._uses.none()

    async def unload(self) -> None:
        """Free the engine's memory. Nobody may be inside, and nobody may come any more."""
        await self._workers.run(self._engine.session.close)
        self.close()
        self._metrics.engine_unloaded(self.name, self.digest, self.descriptor)
        if self._release:
            self._release()

    def close(self) -> None:
        """Let the threads end."""
        self._workers.close()

    async def _run(self, feeds: dict[str, Array], wanted: list[str]) -> Timed[dict[str, Array]]:
        try:
            timed = await self._workers.run(lambda: self._engine.session.run(feeds, wanted))
        except BurnishError:
            self._fail.add(0.0)
            raise
        self._queue.add(timed.queue_seconds)
        self._compute.add(timed.compute_seconds)
        self._success.add(timed.queue_seconds + timed.compute_seconds)
        self._metrics.computed(
            self.name, queue_seconds=timed.queue_seconds, compute_seconds=timed.compute_seconds
        )
        return timed


class Models:
    """The models of this server and whether they may be asked. Used on the event loop alone."""

    def __init__(self) -> None:
        self.state = State.LOADING
        self._by_name: dict[str, ServedModel] = {}

    @property
    def is_ready(self) -> bool:
        """Whether new traffic should be sent here."""
        return self.state is State.READY and bool(self._by_name)

    def add(self, model: ServedModel) -> None:
        """Serve this model from now on, in place of one of the same name."""
        self._by_name[model.name] = model

    def get(self, name: str) -> ServedModel | None:
        """The model of this name, None where there is none."""
        return self._by_name.get(name)

    def remove(self, name: str) -> None:
        """Serve this model no more."""
        self._by_name.pop(name, None)

    def all(self) -> list[ServedModel]:
        """Every model that is loaded."""
        return list(self._by_name.values())

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """A model by name, and by version where one is given.

        Raises: NotReady: nothing is loaded yet. UnknownModel: no such name or version.
        """
        if not self._by_name and self.state is State.LOADING:
            raise NotReady("server", found="a model being loaded", expected="a loaded model")
        model = self._by_name.get(name)
        if model is None or version not in (None, MODEL_VERSION):
            served = ", ".join(f"{known!r} version {MODEL_VERSION}" for known in self._by_name)
            asked = f"{name[:80]!r}" + (f" version {version[:20]!r}" if version else "")
            raise UnknownModel(
                f"model {asked}", found="no such model", expected=served or "none: all are unloaded"
            )
        return model
