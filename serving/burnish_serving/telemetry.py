"""Traces by OpenTelemetry's SDK, sent by OTLP over HTTP. Needs the extra `tracing`.

Endpoint, headers, sampler and batching are set by OpenTelemetry's own environment variables.
"""

import threading
import time
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from burnish_engine import __version__
from burnish_serving.protocol.messages import Timing
from burnish_serving.tracing import Facts, Trace

SERVICE_NAME = "burnish"
CLOSE_SECONDS = 2.0
_CONTEXT = ("traceparent", "tracestate")
# Source: OpenTelemetry semantic conventions, HTTP spans and gRPC spans. All others are our own.
_ATTRIBUTES = {
    "http": {
        "code": "http.response.status_code",
        "request_bytes": "http.request.body.size",
        "response_bytes": "http.response.body.size",
    },
    "grpc": {"code": "rpc.response.status_code"},
}
_GRPC_ERRORS = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")


class OpenTelemetryTracing:
    """A span for each request, and below it one for the queue and one for the engine."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes above these.
        defaults = Resource({"service.name": SERVICE_NAME, "service.version": __version__})
        resource = defaults.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("burnish_serving", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, headers: Mapping[bytes, bytes]) -> Trace:
        """A request came."""
        carrier = {
            name: headers[name.encode()].decode("latin-1") for name in _CONTEXT if name.encode() in headers
        }
        context = self._propagator.extract(carrier)
        span = self._tracer.start_span("infer", context, kind=trace.SpanKind.SERVER)
        return _SpanTrace(self._tracer, span)

    def close(self) -> None:
        """Send what is not sent yet, or give it up: a collector that is away must not hold up the end."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(CLOSE_SECONDS)


class _SpanTrace:
    """One request's spans."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer, self._span = tracer, span
        self.trace_id = f"{span.get_span_context().trace_id:032x}" if span.is_recording() else None

    def end(self, facts: Facts, seconds: float, timing: Timing | None) -> None:
        """Tell what happened, and the parts in their order."""
        if not self._span.is_recording():
            return
        known, now = facts(seconds), time.time_ns()
        self._span.update_name(f"infer {known['model']}".rstrip())
        names = _ATTRIBUTES[known["protocol"]]
        self._span.set_attributes({names.get(name, f"burnish.{name}"): known[name] for name in known})
        if _is_error(known["code"]):
            self._span.set_status(trace.StatusCode.ERROR)
        if timing is not None:
            ended = now - round((time.perf_counter() - timing.ended) * 1e9)
            computing = ended - round(timing.compute_seconds * 1e9)
            self._part("queue", computing - round(timing.queue_seconds * 1e9), computing)
            self._part("compute", computing, ended)
        self._span.end(now)

    def _part(self, name: str, start: int, end: int) -> None:
        context = trace.set_span_in_context(self._span)
        self._tracer.start_span(name, context, start_time=start).end(end)


def _is_error(code: int | str) -> bool:
    return code in _GRPC_ERRORS if isinstance(code, str) else code >= 500
