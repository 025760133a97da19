"""The mirror: a few answered requests go to the peer as well, on a thread, and never hold up an answer."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from burnish_engine.errors import BurnishError
from burnish_serving.metrics import ShadowMetrics
from burnish_serving.models import Observe
from burnish_serving.protocol.messages import InferRequest, InferResponse
from burnish_serving.shadow.agreement import ShadowMetric, agreement
from burnish_serving.shadow.line import Line
from burnish_serving.shadow.peer import Peer

LOG = logging.getLogger("burnish.serving")
LINE_LENGTH, LINE_BYTES = 64, 64 << 20
LOG_SECONDS = 60.0


@dataclass(frozen=True)
class _Answered:
    model: str
    metric: ShadowMetric
    request: InferRequest
    response: InferResponse

    @property
    def answer_bytes(self) -> int:
        return sum(output.array.nbytes for output in self.response.outputs)


class Mirror:
    """A bounded line and one thread. `observe` may be called from any thread.

    share: of the requests that are mirrored.   minimum: the agreement from which on answers agree.
    """

    def __init__(
        self,
        peer: Peer,
        metrics: ShadowMetrics,
        *,
        share: float,
        minimum: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._peer, self._metrics = peer, metrics
        self._share, self._minimum, self._chance = share, minimum, chance
        self._line: Line[_Answered] = Line(LINE_LENGTH, LINE_BYTES)
        self._told = float("-inf")
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._thread.start()

    def observer(self, model: str, metric: ShadowMetric) -> Observe:
        """What a model tells of its answers."""
        self._metrics.expect(model)

        def observe(request: InferRequest, response: InferResponse) -> None:
            # Classes travel as texts with their scores: equal or not says nothing of how close.
            classified = any(output.classes for output in request.outputs)
            if not classified and self._chance() < self._share:
                self._offer(_Answered(model, metric, request, response))

        return observe

    def close(self) -> None:
        """Take nothing more. What waits is given up: nobody is waiting for it."""
        self._line.close()

    def _offer(self, answered: _Answered) -> None:
        inputs = sum(tensor.array.nbytes for tensor in answered.request.inputs)
        if not self._line.put(answered, inputs + answered.answer_bytes):
            self._metrics.count(answered.model, "dropped")

    def _work(self) -> None:
        while (answered := self._line.get()) is not None:
            self._compare(answered)
            del answered  # its arrays would otherwise live until the next one
        self._peer.close()

    def _compare(self, answered: _Answered) -> None:
        ours = {output.name: output.array for output in answered.response.outputs}
        try:
            theirs = self._peer.infer(answered.model, answered.request, answered.answer_bytes)
            found = agreement(answered.metric, ours, theirs)
        except BurnishError as error:
            self._metrics.count(answered.model, "failed")
            self._tell(error)
            return
        except Exception:
            self._metrics.count(answered.model, "failed")
            LOG.exception("comparing failed unexpectedly", extra={"model": answered.model})
            return
        self._metrics.compared(answered.model, found, agreed=found >= self._minimum)

    def _tell(self, error: BurnishError) -> None:
        now = time.monotonic()
        if now - self._told >= LOG_SECONDS:
            self._told = now
            LOG.warning("the peer gave nothing to compare with", extra={"reason": str(error)})
