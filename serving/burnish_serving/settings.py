"""What can be set on a server: the flags of `burnish serve`, and a few limits with good defaults."""

import math
from dataclasses import dataclass
from pathlib import Path

from burnish_serving.errors import InvalidSettings
from burnish_serving.named import Named, parse_engines, repositories
from burnish_serving.protocol.decode import MAX_JSON_BYTES
from burnish_serving.shadow.agreement import ShadowMetric

MAX_BODY_BYTES = 64 << 20
MAX_INFLIGHT_BYTES = 512 << 20
PORTS = ("http_port", "grpc_port", "metrics_port")
MAX_CONNECTIONS = 1024


@dataclass(frozen=True)
class ServeSettings:
    """Settings of one server process.

    engine: `oci://host/repository@sha256:…` (a tag is resolved once, at start) or an engine folder.
        `NAME=ENGINE` gives it a name.
    http_port, grpc_port, metrics_port: 0 takes any free port; the log tells which.
    model_name: the name in URLs and metrics, default the engine's own.
    cache: where pulled engines are kept, default the user's cache folder.
    threads: overrides the engine's; default is what it was measured with.
    drain_seconds: from SIGTERM until requests that still run are given up.
    max_body_bytes: of a request body, as sent and once decompressed.
    max_pending: requests that are read, queued or run at once; the next ones are refused with 429.
    instances: runs of the engine at once, default as many as the CPU quota has room for.
    max_batch: rows of a batch, at most what the engine's record allows (the default); 1: no batching.
    max_queue_delay_ms: longest wait of a request for others to share its run, default as long as that saves
        compute time and the latency goal allows; 0: none.
    latency_goal_ms: what an answer may take; what would take longer is refused with 429. Default the goal
        that the engine was chosen for.
    batch_audit_share: of batches in which a request is also run alone, to compare; 0: none.
    max_json_bytes: of the JSON of a request; binary tensors do not count.
    max_inflight_bytes: of all bodies in memory at once; the next ones are refused.
    max_connections: of the inference port, open at once.
    head_timeout_seconds: from the first byte of a request to the end of its head.
    body_timeout_seconds: longest silence in the middle of a body, or of an answer that is not read.
    access_log: one log line a request.
    access_log_sample: the share of requests that get one, 0 to 1; those that broke the server always do.
    further_engines: served beside `engine`, in the same notation.
    cache_max_bytes: what engines in the cache may take together, None: no limit; those in use stay.
    verify_keys: public keys in PEM; with any, only engines that one of them signed are loaded.
    outcome: where an end that is no orderly one is told as JSON (a pod's termination message).
    repository_control: engines may be loaded and unloaded by request.
    shadow: the stable peer's address, where a share of the requests is asked again to compare answers.
    shadow_metric: how answers are compared (None: as the engine was judged, as far as that goes).
    shadow_minimum: the agreement from which on two answers agree.
    swap_from: repositories that may be loaded from by request, beside those of the engines given here.
    """

    engine: str
    host: str = "0.0.0.0"  # noqa: S104 - a server in a pod is reached from outside of it
    http_port: int = 8080
    grpc_port: int = 8081
    metrics_port: int = 9090
    model_name: str | None = None
    cache: Path | None = None
    threads: int | None = None
    drain_seconds: float = 20.0
    max_body_bytes: int = MAX_BODY_BYTES
    max_pending: int = 64
    instances: int | None = None
    max_batch: int | None = None
    max_queue_delay_ms: float | None = None
    latency_goal_ms: float | None = None
    batch_audit_share: float = 0.001
    max_json_bytes: int = MAX_JSON_BYTES
    max_inflight_bytes: int = MAX_INFLIGHT_BYTES
    max_connections: int = MAX_CONNECTIONS
    head_timeout_seconds: float = 10.0
    body_timeout_seconds: float = 30.0
    access_log: bool = False
    access_log_sample: float = 1.0
    further_engines: tuple[str, ...] = ()
    cache_max_bytes: int | None = None
    verify_keys: tuple[Path, ...] = ()
    outcome: Path | None = None
    repository_control: bool = False
    swap_from: tuple[str, ...] = ()
    shadow: str | None = None
    shadow_share: float = 0.01
    shadow_metric: ShadowMetric | None = None
    shadow_minimum: float = 0.99

    @property
    def engines(self) -> tuple[Named, ...]:
        """Every engine to serve, with its name where one is given. Raises: InvalidSettings."""
        return parse_engines((self.engine, *self.further_engines), self.model_name)

    @property
    def swap_repositories(self) -> tuple[str, ...]:
        """Where engines may be loaded from by request. Raises: InvalidReference."""
        return repositories(self.engines, self.swap_from)

    def __post_init__(self) -> None:
        """Raises: InvalidSettings."""
        _require(bool(self.engine), "engine", self.engine, "a folder or oci://…")
        for name in PORTS:
            _require(0 <= getattr(self, name) <= 65535, name, getattr(self, name), "a port, 0 to 65535")
        for name in _POSITIVE:
            _require(getattr(self, name) > 0, name, getattr(self, name), "more than 0")
        _require(all(engine for _, engine in self.engines), "engine", self.further_engines, "no empty name")
        limit = self.cache_max_bytes
        _require(limit is None or limit > 0, "cache_max_bytes", limit, "more than 0")
        for name in ("shadow_share", "shadow_minimum", "access_log_sample", "batch_audit_share"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share, 0 to 1")
        is_address = self.shadow is None or self.shadow.startswith(("http://", "https://"))
        _require(is_address, "shadow", self.shadow, "http://host:port, or https://…")
        _require(self.drain_seconds >= 0, "drain_seconds", self.drain_seconds, "0 or more")
        for name in ("threads", "instances", "max_batch", "latency_goal_ms"):
            value = getattr(self, name)
            _require(value is None or 0 < value < math.inf, name, value, "more than 0")
        delay = self.max_queue_delay_ms
        _require(delay is None or 0 <= delay < math.inf, "max_queue_delay_ms", delay, "0 or more")
        fixed = [port for name in PORTS if (port := getattr(self, name))]
        _require(len(set(fixed)) == len(fixed), ", ".join(PORTS), fixed, "every port once")


_POSITIVE = (
    *("max_body_bytes", "max_pending", "max_json_bytes", "max_connections"),
    "max_inflight_bytes",
    *("head_timeout_seconds", "body_timeout_seconds"),
)


def _require(holds: bool, name: str, found: object, expected: str) -> None:
    if not holds:
        raise InvalidSettings(name, found=repr(found), expected=expected)
