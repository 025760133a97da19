"""What is told of each request, whatever protocol it came by: metrics, a line of log, a trace."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from burnish_serving.metrics import ServingMetrics
from burnish_serving.protocol.messages import Timing
from burnish_serving.settings import ServeSettings
from burnish_serving.tracing import Trace, Tracing

LOG = logging.getLogger("burnish.access")
# Chosen by the client, hence as long as it likes.
MAX_ID_CHARACTERS = 128
# What requests end with that broke the server, by HTTP and by gRPC.
BROKE = (500, "INTERNAL")


@dataclass
class Observed:
    """One request, filled in while it is answered. `model` stays empty where none is served by that name."""

    protocol: str
    trace: Trace
    model: str = ""
    code: int | str = 0
    request_bytes: int = 0
    response_bytes: int = 0
    request_id: str | None = None
    timing: Timing | None = None
    started: float = field(default_factory=time.perf_counter)

    def facts(self, seconds: float) -> dict[str, Any]:
        """What a line of log says: closed names, figures, and an id that is cut."""
        timing = self.timing or Timing(0.0, 0.0, self.started)
        known: dict[str, Any] = {
            "protocol": self.protocol,
            "model": self.model,
            "code": self.code,
            "seconds": round(seconds, 6),
            "queue_seconds": round(timing.queue_seconds, 6),
            "compute_seconds": round(timing.compute_seconds, 6),
            "request_bytes": self.request_bytes,
            "response_bytes": self.response_bytes,
            "id": self.request_id and self.request_id[:MAX_ID_CHARACTERS],
            "trace_id": self.trace.trace_id,
        }
        return {name: value for name, value in known.items() if value is not None}


class Observers:
    """Everything that wants to know of requests."""

    def __init__(
        self,
        settings: ServeSettings,
        metrics: ServingMetrics,
        tracing: Tracing,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._metrics, self._tracing, self._chance = metrics, tracing, chance
        self._logs, self._share = settings.access_log, settings.access_log_sample

    def begin(self, headers: Mapping[bytes, bytes]) -> Trace:
        """A request came. Headers (or gRPC metadata) by lower-case name."""
        return self._tracing.begin(headers)

    def end(self, seen: Observed) -> None:
        """It was answered."""
        seconds = time.perf_counter() - seen.started
        self._metrics.request(seen.model, seen.protocol, seen.code, seconds, seen.trace.trace_id)
        seen.trace.end(seen.facts, seconds, seen.timing)
        # A request that broke the server is rare and wanted; all others are a matter of the share.
        if self._logs and (seen.code in BROKE or self._chance() < self._share):
            LOG.info("request", extra=seen.facts(seconds))
