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


# Of agreement: what matters is near 1.
BUCKETS_AGREEMENT = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999, 1.0)
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


class ShadowMetrics:
    """What became of mirrored requests. `compared` ones are those that agreed and those that differed."""

    RESULTS = ("agreed", "differed", "failed", "dropped")

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "burnish_shadow_requests",
            "Mirrored requests: agreed, differed, failed (no answer of the peer), dropped (queue full).",
            ("model", "result"),
            registry=registry,
        )
        self._agreement = Histogram(
            "burnish_shadow_agreement_ratio",
            "Agreement of our answers with the peer's, 0 to 1.",
            ("model",),
            buckets=BUCKETS_AGREEMENT,
            registry=registry,
        )

    def expect(self, model: str) -> None:
        """Show a model's series from the first scrape."""
        for result in self.RESULTS:
            self._requests.labels(model, result)
        self._agreement.labels(model)

    def count(self, model: str, result: str) -> None:
        """Count a mirrored request that was not compared."""
        self._requests.labels(model, result).inc()

    def compared(self, model: str, agreement: float, *, agreed: bool) -> None:
        """Count one that was."""
        self.count(model, "agreed" if agreed else "differed")
        self._agreement.labels(model).observe(agreement)


class ServingMetrics:
    """All metrics of one server. Labels are the served model's name and closed sets, never user input."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        # Looking a series up by its labels costs more than counting in it.
        self._requests: dict[tuple[str, str, str], Histogram] = {}
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
        self._connections = Gauge(
            "burnish_http_connections", "Connections to the HTTP port.", registry=self.registry
        )
        self._info = Gauge(
            "burnish_engine_info",
            "The engine that answers; always 1.",
            ("model", "digest", "backend", "precision", "key"),
            registry=self.registry,
        )
        self._answered = Counter(
            "burnish_engine_answers",
            "Requests answered by an engine that is loaded; the series goes when it is unloaded.",
            ("model", "digest"),
            registry=self.registry,
        )
        self._swaps = Counter(
            "burnish_engine_swaps",
            "Changes of engines while the server runs; result: swapped, or the error.",
            ("model", "result"),
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
        self.in_flight.labels(model)
        self._queue_seconds.labels(model)
        self.compute_seconds.labels(model)
        self._batch_size.labels(model)
        self._waiting.labels(model).set(0)
        self._mismatches.labels(model)

    def engine_unloaded(self, model: str, digest: str, descriptor: EngineDescriptor) -> None:
        """Tell that this engine serves no more."""
        self._info.remove(model, digest, descriptor.backend.value, descriptor.precision.value, descriptor.key)
        self._answered.remove(model, digest)

    def answered(self, model: str, digest: str) -> Counter:
        """The counter of one engine's answers."""
        return self._answered.labels(model, digest)

    def swap(self, model: str, result: str) -> None:
        """Count a change of engines. `model` is empty where no model of this name was served."""
        self._swaps.labels(model, result).inc()

    def request(
        self, model: str, protocol: str, code: int | str, seconds: float, trace_id: str | None = None
    ) -> None:
        """Count an answered request. `model` is empty where the request named none that is served.

        trace_id: becomes the exemplar of its bucket, which OpenMetrics shows.
        """
        key = (model, protocol, str(code))
        if key not in self._requests:
            self._requests[key] = self._request_seconds.labels(*key)
        self._requests[key].observe(seconds, {"trace_id": trace_id} if trace_id else None)

    def of_runs(self, model: str) -> "RunMetrics":
        """What the runs of one model are counted with."""
        return RunMetrics(
            queue_seconds=self._queue_seconds.labels(model),
            compute_seconds=self.compute_seconds.labels(model),
            batch_size=self._batch_size.labels(model),
            waiting=self._waiting.labels(model),
            mismatches=self._mismatches.labels(model),
        )

    def connected(self, count: int) -> None:
        """Tell how many connections are open."""
        self._connections.set(count)

    def rejected(self, model: str, reason: str) -> None:
        """Count a refusal; `reason` is an error's, one of a closed set."""
        self._rejected.labels(model, reason).inc()

    def _histogram(self, name: str, help_text: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(name, help_text, labels, buckets=BUCKETS_SECONDS, registry=self.registry)
