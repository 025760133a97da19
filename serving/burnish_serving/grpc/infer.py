"""`ModelInfer` and `ModelStreamInfer`."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

from grpc import StatusCode

from burnish_engine.errors import BurnishError
from burnish_serving.errors import InvalidRequest, SlowBody
from burnish_serving.gate import Gate, Visit
from burnish_serving.grpc.context import Context, abort, headers, next_message, write
from burnish_serving.grpc.decode import Received, decode, split
from burnish_serving.grpc.encode import encode, encode_streamed, encode_streamed_error
from burnish_serving.grpc.failures import code_of, details_of, pushback_of
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models, ServedModel
from burnish_serving.observe import Observed, Observers
from burnish_serving.off_loop import INLINE_BYTES, off_loop_if
from burnish_serving.protocol.messages import InferRequest, InferResponse
from burnish_serving.scheduling.terms import terms_of
from burnish_serving.settings import ServeSettings

LOG = logging.getLogger("burnish.serving")
PROTOCOL = "grpc"
# Requests of one stream that are read, queued or run at once: the next ones wait in its socket.
STREAM_WINDOW = 8
# A caller's own deadline began when it asked, ours when that arrived: it gives up a moment before.
CALLERS_AHEAD_SECONDS = 0.1
Read: TypeAlias = Callable[[], Awaitable[bytes]]
Encode: TypeAlias = Callable[[InferResponse], bytes]


@dataclass
class _Outcome:
    """What came of a request: an answer, or a code and why there is none."""

    seen: Observed
    answer: bytes = b""
    details: str = ""
    pushback: tuple[tuple[str, str], ...] = ()
    code: StatusCode = StatusCode.OK

    def fail(self, code: StatusCode, details: str) -> None:
        self.code, self.details = code, details


class InferEndpoint:
    """From a request's bytes to an answer's, with every way in which that can fail."""

    def __init__(
        self,
        settings: ServeSettings,
        models: Models,
        gate: Gate,
        metrics: ServingMetrics,
        observers: Observers,
    ) -> None:
        self._settings, self._models = settings, models
        self._gate, self._metrics, self._observers = gate, metrics, observers

    async def unary(self, _: Any, context: Context) -> bytes:
        """Answer one request. Its bytes are read here, once it is let in: as HTTP does."""
        outcome = await self._attempt(lambda: self._read(context), encode, context)
        if outcome.code is not StatusCode.OK:
            await abort(context, outcome.code, outcome.details, outcome.pushback)
        return outcome.answer

    async def stream(self, _: Any, context: Context) -> None:
        """Answer each request of a stream, in their order; one that fails does not end it."""
        pending: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(STREAM_WINDOW)
        async with asyncio.TaskGroup() as group:
            group.create_task(_write_in_order(pending, context))
            while (data := await next_message(context)) is not None:
                await pending.put(group.create_task(self._streamed(data, context)))
                if len(data) > INLINE_BYTES:  # a window of large ones would be a large memory
                    await pending.join()
            await pending.put(None)

    async def _streamed(self, data: bytes, context: Context) -> bytes:
        async def read() -> bytes:
            return data

        outcome = await self._attempt(read, encode_streamed, context, is_read=True)
        if outcome.code is StatusCode.OK:
            return outcome.answer
        seen = outcome.seen
        return encode_streamed_error(outcome.details, model_name=seen.model, request_id=seen.request_id or "")

    async def _attempt(
        self, read: Read, encode_answer: Encode, context: Context, *, is_read: bool = False
    ) -> _Outcome:
        """Answer, count, and never let an exception out, but that of a caller who went away."""
        outcome = _Outcome(Observed(PROTOCOL, trace=self._observers.begin(headers(context))))
        try:
            with self._let_in(outcome.seen, is_read=is_read), self._gate.entered() as visit:
                outcome.answer = await self._answer(read, encode_answer, visit, outcome.seen, context)
        except BurnishError as error:
            self._failed(error, outcome)
        except asyncio.CancelledError:
            left = context.time_remaining()
            expired = left is not None and left < CALLERS_AHEAD_SECONDS
            outcome.code = StatusCode.DEADLINE_EXCEEDED if expired else StatusCode.CANCELLED
            raise
        except Exception:
            LOG.exception("a request failed unexpectedly", extra={"model": outcome.seen.model})
            outcome.fail(StatusCode.INTERNAL, "internal error")
        finally:
            outcome.seen.code, outcome.seen.response_bytes = outcome.code.name, len(outcome.answer)
            self._observers.end(outcome.seen)
        return outcome

    async def _answer(
        self, read: Read, encode_answer: Encode, visit: Visit, seen: Observed, context: Context
    ) -> bytes:
        data = await read()
        seen.request_bytes = len(data)
        message, raw = split(data, self._settings.max_json_bytes)
        received = await off_loop_if(len(message), lambda: Received.read(message, raw))
        seen.request_id = received.message.id or None
        model = self._find(received)
        seen.model = model.name
        visit.asks(model.name)
        request = await off_loop_if(received.work_bytes, lambda: decode(received))
        answer = await self._infer(model, request, context)
        seen.timing = answer.timing
        return await off_loop_if(answer.size_bytes, lambda: encode_answer(answer))

    def _let_in(self, seen: Observed, *, is_read: bool) -> AbstractContextManager[None]:
        # Which model is asked stands in the message: unread, that is only known where there is one.
        model = None if is_read else self._models.only()
        if model is None:
            return nullcontext()
        return _of_model(model, seen)

    def _find(self, received: Received) -> ServedModel:
        return self._models.find(received.message.model_name, received.message.model_version or None)

    async def _infer(self, model: ServedModel, request: InferRequest, context: Context) -> InferResponse:
        now, left = time.monotonic(), context.time_remaining()
        deadline = None if left is None else now + left
        return await model.infer(request, terms_of(request, now, deadline))

    async def _read(self, context: Context) -> bytes:
        try:
            async with asyncio.timeout(self._settings.body_timeout_seconds):
                data = await next_message(context)
        except TimeoutError as error:
            raise SlowBody("request", found="no whole message", expected="one message") from error
        if data is None:
            raise InvalidRequest("request", found="the end of the call", expected="one message")
        return data

    def _failed(self, error: BurnishError, outcome: _Outcome) -> None:
        outcome.fail(code_of(error), details_of(error))
        outcome.pushback = pushback_of(error)
        if outcome.code is StatusCode.INTERNAL:
            LOG.error(str(error), extra={"model": outcome.seen.model})
        else:
            self._metrics.rejected(outcome.seen.model, error.reason)


@contextmanager
def _of_model(model: ServedModel, seen: Observed) -> Iterator[None]:
    """Let in by a model. Who is not is counted under its name, all others under what their message says."""
    seen.model = model.name
    with model.let_in():
        seen.model = ""
        yield


async def _write_in_order(pending: "asyncio.Queue[asyncio.Task[bytes] | None]", context: Context) -> None:
    while (task := await pending.get()) is not None:
        await write(context, await task)
        pending.task_done()
