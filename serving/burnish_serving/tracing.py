"""Traces with W3C context. On only where OpenTelemetry's own variables name an endpoint.

Source: W3C Trace Context, 3.2 (`traceparent`); OpenTelemetry environment variable specification.
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from burnish_serving.errors import InvalidSettings
from burnish_serving.protocol.messages import Timing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
Facts = Callable[[float], Mapping[str, Any]]


class Trace(Protocol):
    """One request's part in a trace."""

    @property
    def trace_id(self) -> str | None:
        """The trace's id as 32 hex digits, None where nobody records it."""

    def end(self, facts: Facts, seconds: float, timing: Timing | None) -> None:
        """The request is over. `facts` is called only where somebody records the trace."""


class Tracing(Protocol):
    """Where traces go."""

    def begin(self, headers: Mapping[bytes, bytes]) -> Trace:
        """A request came, with its headers by lower-case name."""

    def close(self) -> None:
        """Send what is not sent yet. Blocks."""


class PassingTrace:
    """A trace that others record: its id is worth telling, no more."""

    def __init__(self, trace_id: str | None = None) -> None:
        self.trace_id = trace_id

    def end(self, facts: Facts, seconds: float, timing: Timing | None) -> None:
        """Nothing to do."""


_UNTRACED = PassingTrace()


class NoTracing:
    """No exporter: the id of a trace that a caller records still names requests in logs and exemplars."""

    def begin(self, headers: Mapping[bytes, bytes]) -> Trace:
        """A request came."""
        parent = headers.get(b"traceparent")
        match = _PARENT.fullmatch(parent) if parent is not None else None
        if match is None or not int(match[2], 16) & 1 or not int(match[1], 16):
            return _UNTRACED
        return PassingTrace(match[1].decode())

    def close(self) -> None:
        """Nothing to do."""


def from_environment(environment: Mapping[str, str] = os.environ) -> Tracing:
    """Tracing as OpenTelemetry's variables ask for it.

    Raises: InvalidSettings: an endpoint is named, and the packages for it are missing or differ.
    """
    wanted = [name for name in ENDPOINTS if environment.get(name)]
    if not wanted or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return NoTracing()
    try:
        from burnish_serving.telemetry import OpenTelemetryTracing  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise InvalidSettings(
            wanted[0],
            found=f"no package {error.name}",
            expected="OpenTelemetry's SDK and OTLP exporter",
            remedy='Install "burnish[tracing]", or unset the variable.',
        ) from error
    return OpenTelemetryTracing()
