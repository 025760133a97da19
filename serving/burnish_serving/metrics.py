"""Prometheus metrics of serving, in a registry of their own. Names are fixed in docs/contracts.md."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from burnish_engine.descriptor import EngineDescriptor

# Finer than a factor of two where inference lives, so that a p99 read from a histogram means something.
BUCKETS_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 1.5, 2.5, 5.0, 10.0, 30.0),
)


BUCKETS_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class RunMetrics:
    """Metrics of one model, found once: finding them by their label costs more than counting.

    queue_seconds: by request.   compute_seconds, batch_size: by run.   waiting: requests, now.
    """

    queue_seconds: Histogram
    compute_seconds: Histogram
    batch_size: Histogram
    waiting: Gauge
    mismatches: Counter


class ServingMetrics:
    """All metrics of one server. Labels are the served model's name and closed sets, never user input."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._request_seconds = self._histogram(
            "burnish_request_duration_seconds",
            "From the request's head to its answer.",
            ("model", "protocol", "code"),
        )
        self._queue_seconds = self._histogram(
            "burnish_queue_duration_seconds", "Decoded requests waiting for the engine.", ("model",)
        )
        self.compute_seconds = self._histogram(
            "burnish_compute_duration_seconds", "The engine running, once a batch.", ("model",)
        )
        self._batch_size = Histogram(
            "burnish_batch_size",
            "Rows of a run of the engine.",
            ("model",),
            buckets=BUCKETS_ROWS,
            registry=self.registry,
        )
        self._waiting = Gauge(
            "burnish_requests_waiting",
            "Decoded requests waiting for the engine now.",
            ("model",),
            registry=self.registry,
        )
        self._mismatches = Counter(
            "burnish_batch_mismatches",
            "Batches that were answered differently from their rows alone; the first one ends batching.",
            ("model",),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "burnish_requests_in_flight",
            "Requests being read, queued, run or answered.",
            ("model",),
            registry=self.registry,
        )
        self._rejected = Counter(
            "burnish_requests_rejected",
            "Requests refused before the engine ran.",
            ("model", "reason"),
            registry=self.registry,
        )
        self._info = Gauge(
            "burnish_engine_info",
            "The engine that answers; always 1.",
            ("model", "digest", "backend", "precision", "key"),
            registry=self.registry,
        )
        self._load_seconds = Gauge(
            "burnish_engine_load_seconds",
            "How long loading and compiling took.",
            ("model",),
            registry=self.registry,
        )

    def engine_loaded(self, model: str, digest: str, descriptor: EngineDescriptor, seconds: float) -> None:
        """Tell which engine serves from now on, and show its other series from the first scrape."""
        self._info.labels(
            model, digest, descriptor.backend.value, descriptor.precision.value, descriptor.key
        ).set(1)
        self._load_seconds.labels(model).set(seconds)
        self.in_flight.labels(model).set(0)
        self._queue_seconds.labels(model)
        self.compute_seconds.labels(model)
        self._batch_size.labels(model)
        self._waiting.labels(model).set(0)
        self._mismatches.labels(model)

    def request(
        self, model: str, protocol: str, code: int | str, seconds: float, trace_id: str | None = None
    ) -> None:
        """Count an answered request. `model` is empty where the request named none that is served.

        trace_id: becomes the exemplar of its bucket, which OpenMetrics shows.
        """
        exemplar = {"trace_id": trace_id} if trace_id else None
        self._request_seconds.labels(model, protocol, str(code)).observe(seconds, exemplar)

    def of_runs(self, model: str) -> "RunMetrics":
        """What the runs of one model are counted with."""
        return RunMetrics(
            queue_seconds=self._queue_seconds.labels(model),
            compute_seconds=self.compute_seconds.labels(model),
            batch_size=self._batch_size.labels(model),
            waiting=self._waiting.labels(model),
            mismatches=self._mismatches.labels(model),
        )

    def rejected(self, model: str, reason: str) -> None:
        """Count a refusal; `reason` is an error's, one of a closed set."""
        self._rejected.labels(model, reason).inc()

    def _histogram(self, name: str, help_text: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(name, help_text, labels, buckets=BUCKETS_SECONDS, registry=self.registry)
