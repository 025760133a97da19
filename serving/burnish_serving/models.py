"""A model that answers requests of any protocol, and the one place where it is found by name."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum, auto
from typing import Any

from burnish_engine.descriptor import EngineDescriptor
from burnish_engine.errors import BurnishError
from burnish_runtime.load import Engine
from burnish_runtime.session import Array
from burnish_serving.errors import NotReady, UnknownModel
from burnish_serving.metrics import RunMetrics, ServingMetrics
from burnish_serving.protocol.decode import to_feeds
from burnish_serving.protocol.encode import answer
from burnish_serving.protocol.messages import InferRequest, InferResponse, Timing
from burnish_serving.protocol.metadata import MODEL_VERSION
from burnish_serving.scheduling.execution import Execution
from burnish_serving.scheduling.policy import Policy
from burnish_serving.scheduling.runner import Computed, Runner
from burnish_serving.scheduling.schedule import Schedule
from burnish_serving.scheduling.terms import ANY_TIME, Terms
from burnish_serving.statistics import Statistics
from burnish_serving.uses import Uses

# Is told of a request and its answer, once it is computed. Must not wait.
Observe = Callable[[InferRequest, InferResponse], None]


class State(Enum):
    """Where the server is in its life."""

    LOADING = auto()
    READY = auto()
    DRAINING = auto()


class ServedModel:
    """One loaded engine under one name. `infer` is called on the event loop and computes off it."""

    def __init__(
        self,
        name: str,
        digest: str,
        engine: Engine,
        metrics: ServingMetrics,
        *,
        schedule: Schedule | None = None,
        observe: Observe | None = None,
        release: Callable[[], None] | None = None,
    ) -> None:
        """`schedule`: default one request at a time, in order. `observe`: see `Observe`.

        release: is called when the engine is unloaded.
        """
        self.name, self.digest = name, digest
        self._observe, self._release = observe, release
        self._uses, self._let_in = Uses(), Uses()
        self._successor: ServedModel | None = self
        self._engine, self._metrics = engine, metrics
        self._statistics = Statistics()
        self._runs = metrics.of_runs(name)
        watch = _Watch(self._runs, self._statistics)
        scheduled = schedule or Schedule()
        self._policy = scheduled.policy
        self._runner = Runner(name, engine.session, scheduled, watch)
        metrics.engine_loaded(name, digest, engine.descriptor, engine.load_seconds)
        self._answered = metrics.answered(name, digest)

    @property
    def descriptor(self) -> EngineDescriptor:
        """The engine's own description."""
        return self._engine.descriptor

    @property
    def policy(self) -> Policy:
        """How it is scheduled."""
        return self._policy

    async def infer(self, request: InferRequest, terms: Terms = ANY_TIME) -> InferResponse:
        """Answer a request.

        Raises: InvalidRequest, burnish_runtime.errors.InvalidInput: the request does not fit.
            Overloaded: it would be answered too late.   DeadlineExceeded: its time was over.
            burnish_runtime.errors.InferenceFailed: the engine broke.
        """
        if self._successor is not self:  # since the caller found this one
            return await self._after_us().infer(request, terms)
        with self._uses.one():
            response = await self._answer(request, terms)
        self._answered.inc()
        if self._observe:
            self._observe(request, response)
        return response

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """Be read, and answered. Raises: Overloaded: the answer would come too late, as is known already."""
        try:
            self._runner.check_unread(max(0, self._let_in.count - self._uses.count))
        except BurnishError:
            self._statistics.failed(0.0)
            raise
        with self._let_in.one():
            yield

    async def _answer(self, request: InferRequest, terms: Terms) -> InferResponse:
        feeds = to_feeds(request, self.descriptor.inputs)
        wanted = [output.name for output in request.outputs] or [s.name for s in self.descriptor.outputs]
        computed = await self._run(feeds, wanted, terms)
        response = answer(
            request,
            computed.answers,
            self.descriptor.outputs,
            model_name=self.name,
            model_version=MODEL_VERSION,
        )
        timing = Timing(computed.queue_seconds, computed.compute_seconds, time.perf_counter())
        return replace(response, timing=timing, engine=self.digest)

    def statistics(self) -> dict[str, Any]:
        """Counts since the start, in the shape of Triton's statistics extension."""
        return self._statistics.document(self.name, MODEL_VERSION)

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
        """Wait until no request is inside, and nothing runs that nobody waits for any more."""
        await self._uses.none()
        await self._runner.finished()

    async def unload(self) -> None:
        """Free the engine's memory. Nobody may be inside, and nobody may come any more."""
        await self._runner.unload()
        self._metrics.engine_unloaded(self.name, self.digest, self.descriptor)
        if self._release:
            self._release()

    def close(self) -> None:
        """Take no more requests; let the threads end when those that wait are answered."""
        self._runner.close()

    async def _run(self, feeds: dict[str, Array], wanted: list[str], terms: Terms) -> Computed:
        started = time.monotonic()
        try:
            computed = await self._runner.run(feeds, wanted, terms)
        except BurnishError:
            self._statistics.failed(time.monotonic() - started)
            raise
        self._statistics.answered(computed)
        self._runs.queue_seconds.observe(computed.queue_seconds)
        return computed


class _Watch:
    """What the runner sees, told to statistics and metrics."""

    def __init__(self, metrics: RunMetrics, statistics: Statistics) -> None:
        self._metrics, self._statistics = metrics, statistics

    def executed(self, execution: Execution) -> None:
        self._statistics.executed(execution)
        self._metrics.compute_seconds.observe(execution.seconds)
        self._metrics.batch_size.observe(execution.rows)

    def waiting(self, count: int) -> None:
        self._metrics.waiting.set(count)

    def mismatched(self) -> None:
        self._metrics.mismatches.inc()


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

    def only(self) -> ServedModel | None:
        """The one model that can be meant; None: there are several, or none."""
        return next(iter(self._by_name.values())) if len(self._by_name) == 1 else None

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
