"""`POST /v2/models/{model}/infer`: an ASGI application of its own, in front of the router."""

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from typing import NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from burnish_engine.errors import BurnishError, WaitingError
from burnish_serving.gate import Gate
from burnish_serving.http.body import read_body
from burnish_serving.http.budget import ByteBudget, Hold
from burnish_serving.http.disconnect import given_up_with
from burnish_serving.http.failures import CLIENT_CLOSED_REQUEST, failure, refusal, status_of
from burnish_serving.http.reply import Reply
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models, ServedModel
from burnish_serving.observe import Observed, Observers
from burnish_serving.off_loop import INLINE_BYTES, off_loop_if
from burnish_serving.protocol.compression import Body, answer_encoding, compress
from burnish_serving.protocol.decode import HEADER_LENGTH, decode_request
from burnish_serving.protocol.encode import encode_response
from burnish_serving.protocol.messages import EncodedResponse, InferRequest, InferResponse
from burnish_serving.scheduling.terms import terms_of
from burnish_serving.settings import ServeSettings

LOG = logging.getLogger("burnish.serving")
PROTOCOL = "http"
ENGINE_HEADER = "Burnish-Engine"  # the digest of the engine that computed the answer
_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
_HEADER_LENGTH = HEADER_LENGTH.lower().encode()
_BINARY = "application/octet-stream"


class Target(NamedTuple):
    """The model that a path asks for, as it is written there."""

    model: str
    version: str | None


def target_of(scope: Scope) -> Target | None:
    """What an inference request asks for; None: it is a request for something else."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    match = _PATH.fullmatch(scope["path"])
    return Target(match[1], match[2]) if match else None


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
        self._budget = ByteBudget(settings.max_inflight_bytes)
        # Numbers of JSON take eight times their text until they are an array: one such request at a time.
        self._large_json = asyncio.Lock()

    async def __call__(self, target: Target, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, count, and never let an exception out."""
        headers = dict(scope["headers"])
        seen = Observed(PROTOCOL, trace=self._observers.begin(headers))
        reply = await self._guarded(target, headers, receive, seen)
        await reply(scope, receive, send)
        seen.code, seen.response_bytes = reply.status_code, reply.size_bytes
        self._observers.end(seen)

    async def _guarded(
        self, target: Target, headers: Mapping[bytes, bytes], receive: Receive, seen: Observed
    ) -> Reply:
        try:
            served = self._models.find(target.model, target.version)
            seen.model = served.name
            with served.let_in(), self._gate.entered(seen.model), self._budget.holding() as hold:
                return await self._answer(headers, receive, hold, served, seen)
        except BurnishError as error:
            return self._failed(error, seen)
        except ClientDisconnect:
            return failure("the client went away", CLIENT_CLOSED_REQUEST)
        except asyncio.CancelledError:  # only the end of the process cancels: say so, and be done
            return failure("the server stopped before the answer was there", 503)
        except Exception:
            LOG.exception("a request failed unexpectedly", extra={"model": seen.model})
            return failure("internal error", 500)

    async def _answer(
        self,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        hold: Hold,
        model: ServedModel,
        seen: Observed,
    ) -> Reply:
        arrived = time.monotonic()
        header_length = headers[_HEADER_LENGTH].decode("latin-1") if _HEADER_LENGTH in headers else None
        body = await read_body(
            headers,
            receive,
            limit_bytes=self._settings.max_body_bytes,
            timeout_seconds=self._settings.body_timeout_seconds,
            align_at=_offset(header_length),
            hold=hold,
        )
        seen.request_bytes = len(body)
        decoded = await self._decode(body, header_length)
        seen.request_id = decoded.id
        async with given_up_with(receive):
            answer = await model.infer(decoded, terms_of(decoded, arrived))
        seen.timing = answer.timing
        encoded = await off_loop_if(_json_size(answer), lambda: encode_response(answer))
        return await _reply(encoded, headers.get(b"accept-encoding"), answer.engine)

    async def _decode(self, body: Body, header_length: str | None) -> InferRequest:
        # A binary tensor is a view of the body, however large: only JSON takes time to read.
        if (_offset(header_length) or len(body)) <= INLINE_BYTES:
            return decode_request(body, header_length, self._settings.max_json_bytes)
        async with self._large_json:
            return await asyncio.to_thread(decode_request, body, header_length, self._settings.max_json_bytes)

    def _failed(self, error: BurnishError, seen: Observed) -> Reply:
        status = status_of(error)
        if status >= 500 and not isinstance(error, WaitingError):
            LOG.error(str(error), extra={"model": seen.model})
        else:
            self._metrics.rejected(seen.model, error.reason)
        return refusal(error)


async def _reply(encoded: EncodedResponse, accepted: bytes | None, engine: str) -> Reply:
    is_json, headers = encoded.header_length is None, {ENGINE_HEADER: engine}
    if not is_json:
        headers[HEADER_LENGTH] = str(encoded.header_length)
    pieces: tuple[bytes | memoryview, ...] = encoded.pieces
    if accepted is not None:
        size, text = encoded.size_bytes, accepted.decode("latin-1")
        coding = answer_encoding(text, is_json=is_json, size_bytes=size)
        if coding is not None:
            headers["Content-Encoding"] = coding
            pieces = (await off_loop_if(size, lambda: compress(encoded.pieces, coding)),)
    return Reply(pieces, headers=headers, media_type="application/json" if is_json else _BINARY)


def _offset(header_length: str | None) -> int:
    # What it says is judged where the request is decoded; here a lie only costs alignment.
    return int(header_length) if header_length and re.fullmatch("[0-9]{1,9}", header_length) else 0


def _json_size(answer: InferResponse) -> int:
    return sum(output.array.nbytes for output in answer.outputs if not output.binary)
