"""`POST /v2/models/{model}/infer`."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from burnish_engine.errors import BurnishError, WaitingError
from burnish_serving.gate import Gate
from burnish_serving.http.body import read_body
from burnish_serving.http.disconnect import given_up_with
from burnish_serving.http.failures import CLIENT_CLOSED_REQUEST, failure, refusal, status_of
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models, ServedModel
from burnish_serving.protocol.decode import HEADER_LENGTH, decode_request
from burnish_serving.protocol.encode import encode_response
from burnish_serving.protocol.messages import EncodedResponse, InferRequest, InferResponse
from burnish_serving.scheduling.terms import Terms
from burnish_serving.settings import ServeSettings

Result = TypeVar("Result")
LOG = logging.getLogger("burnish.serving")
PROTOCOL = "http"
# Below this (de)coding takes less time than a hop to a thread and back.
INLINE_BYTES = 256 << 10


class InferEndpoint:
    """From a request's bytes to an answer's, with every way in which that can fail."""

    def __init__(self, settings: ServeSettings, models: Models, gate: Gate, metrics: ServingMetrics) -> None:
        self._settings, self._models = settings, models
        self._gate, self._metrics = gate, metrics

    async def handle(self, request: Request) -> Response:
        """Answer, count, and never let an exception out."""
        started, model = time.perf_counter(), ""
        try:
            served = self._find(request)
            model = served.name
            with self._gate.entered(model):
                response = await self._answer(request, served, time.monotonic())
        except BurnishError as error:
            response = self._failed(error, model)
        except ClientDisconnect:
            response = failure("the client went away", CLIENT_CLOSED_REQUEST)
        except asyncio.CancelledError:  # only the end of the process cancels: say so, and be done
            response = failure("the server stopped before the answer was there", 503)
        except Exception:
            LOG.exception("a request failed unexpectedly", extra={"model": model})
            response = failure("internal error", 500)
        self._count(model, response.status_code, time.perf_counter() - started)
        return response

    def _find(self, request: Request) -> ServedModel:
        return self._models.find(request.path_params["model"], request.path_params.get("version"))

    async def _answer(self, request: Request, model: ServedModel, started: float) -> Response:
        body = await read_body(
            request,
            limit_bytes=self._settings.max_body_bytes,
            timeout_seconds=self._settings.body_timeout_seconds,
        )
        header_length = request.headers.get(HEADER_LENGTH)
        decoded = await _off_loop_if(len(body), lambda: decode_request(body, header_length))
        async with given_up_with(request):
            answer = await model.infer(decoded, _terms(decoded, started))
        return _respond(await _off_loop_if(_size(answer), lambda: encode_response(answer)))

    def _failed(self, error: BurnishError, model: str) -> Response:
        status = status_of(error)
        if status >= 500 and not isinstance(error, WaitingError):
            LOG.error(str(error), extra={"model": model})
        else:
            self._metrics.rejected(model, error.reason)
        return refusal(error)

    def _count(self, model: str, code: int, seconds: float) -> None:
        self._metrics.request(model, PROTOCOL, code, seconds)
        if self._settings.access_log:
            LOG.info("request", extra={"model": model, "code": code, "seconds": round(seconds, 6)})


def _terms(request: InferRequest, started: float) -> Terms:
    """What the request asks of the schedule; its time runs from its head on."""
    timeout = request.timeout_seconds
    return Terms(None if timeout is None else started + timeout, request.priority)


def _respond(encoded: EncodedResponse) -> Response:
    if encoded.header_length is None:
        return Response(encoded.body, media_type="application/json")
    headers = {HEADER_LENGTH: str(encoded.header_length)}
    return Response(encoded.body, headers=headers, media_type="application/octet-stream")


def _size(answer: InferResponse) -> int:
    return sum(output.array.nbytes for output in answer.outputs)


async def _off_loop_if(size_bytes: int, function: Callable[[], Result]) -> Result:
    """Run large work on a thread: the loop must answer probes meanwhile."""
    return function() if size_bytes <= INLINE_BYTES else await asyncio.to_thread(function)
