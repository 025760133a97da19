"""One run: a burst, rest, idleness, a restart; what each of them cost."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from burnish_bench.scaling import burst, objects, procs
from burnish_bench.scaling.api import Object
from burnish_bench.scaling.counts import AuditLog, Request, by_kind
from burnish_bench.scaling.plane import Place
from burnish_bench.scaling.results import Figures, Setting
from support.operator_process import OperatorProcess

DURATION = "burnish_reconcile_duration_seconds"
LATENCY = "apiserver_request_duration_seconds"
READS, MUTATIONS = {"verb": "GET|LIST"}, {"verb": "POST|PUT|PATCH|APPLY|DELETE"}
# A Deployment's status is written for some seconds after its pod answers.
QUIET_SECONDS = 12.0
IDLE_SECONDS = 60.0
LOOK_SECONDS = 2.0
# As the chart has it.
WORKERS = "8"


@dataclass
class Depth:
    """The deepest queue that was seen; looked at as Prometheus would, over /metrics."""

    deepest: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self, operator: OperatorProcess) -> Iterator[None]:
        """While this lasts."""
        thread = threading.Thread(target=self._look, args=(operator,))
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self, operator: OperatorProcess) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.deepest = max(self.deepest, procs.value(metrics(operator), "burnish_queue_depth"))


def metrics(operator: OperatorProcess) -> str:
    """The operator's own figures; "" while it does not answer."""
    try:
        return httpx.get(f"http://127.0.0.1:{operator.metrics_port}/metrics", timeout=30).text
    except httpx.TransportError:
        return ""


def baseline(place: Place, setting: Setting, template: Object) -> Figures:
    """As many Deployments with the same pods, made by nobody's operator."""
    wanted = [objects.bare(f"bare-{n:05d}", template) for n in range(setting.models * setting.targets)]
    before = place.api.text("/metrics")
    load = os.getloadavg()[0]
    found = burst.run(place.api, objects.DEPLOYMENTS, wanted, burst.deployment_is_ready)
    return {"load": load, **_curve(found), **_server(before, place.api.text("/metrics"))}


def burnish(place: Place, setting: Setting, operator: OperatorProcess, names: Sequence[str]) -> Figures:
    """The operator under a burst, at rest, and started anew."""
    log, count = AuditLog(place.plane.audit_log), setting.models * setting.targets
    uri = f"oci://{place.plane.registry}/models/bench:1"
    wanted = objects.models(setting.models, uri, names, setting.targets)
    rest(log)
    server, told, cpu = place.api.text("/metrics"), metrics(operator), procs.cpu_seconds(operator.pid)
    depth, load = Depth(), os.getloadavg()[0]
    with depth.watched(operator):
        found = burst.run(place.api, objects.MODELS, wanted, burst.model_is_ready)
    ready = log.between(found.began, found.ended)
    after = place.api.text("/metrics")
    quiet = log.between(found.began, rest(log))
    spent = procs.cpu_seconds(operator.pid) - cpu
    turns = procs.less(procs.buckets(metrics(operator), DURATION), procs.buckets(told, DURATION))
    return {
        "load": load,
        **_curve(found),
        "requests_until_ready": len(ready) / count,
        "requests_until_quiet": len(quiet) / count,
        "writes": sum(request.is_write for request in quiet) / count,
        "by_kind": by_kind(quiet),
        "refused": sum(request.code >= 400 for request in quiet),
        "cpu_ms": spent / count * 1e3,
        "turns": max(turns.values(), default=0) / setting.models,
        "reconcile_p50_ms": _ms(procs.quantile(turns, 0.5)),
        "reconcile_p99_ms": _ms(procs.quantile(turns, 0.99)),
        "queue_depth": depth.deepest,
        **_server(server, after),
        **_idle(log),
        "memory_peak_bytes": procs.peak_bytes(operator.pid),
        **restart(log, operator, setting.models),
        "restart_memory_peak_bytes": procs.peak_bytes(operator.pid),
    }


def rest(log: AuditLog) -> float:
    """Wait until the operator has asked nothing for a while; returns when that was over."""
    while time.time() - _last(log.read()) < QUIET_SECONDS:
        time.sleep(0.5)
    return time.time()


def restart(log: AuditLog, operator: OperatorProcess, models: int) -> Figures:
    """A new process looks at everything once."""
    operator.kill(signal.SIGTERM)
    began = time.time()
    operator.start()
    while procs.value(metrics(operator), f"{DURATION}_count") < models:
        time.sleep(0.2)
    seen = time.time() - began
    asked = log.between(began, rest(log))
    return {
        "restart_seconds": seen,
        "restart_requests": len(asked),
        "restart_writes": sum(request.is_write for request in asked),
        "restart_by_kind": by_kind(asked),
        "restart_cpu_seconds": procs.cpu_seconds(operator.pid),
    }


def _last(requests: Sequence[Request]) -> float:
    return max((request.at for request in requests if not request.is_watch), default=0.0)


def _idle(log: AuditLog) -> Figures:
    began = time.time()
    time.sleep(IDLE_SECONDS)
    asked = log.between(began, time.time())
    return {"idle_requests_a_minute": len(asked) * 60.0 / IDLE_SECONDS, "idle_by_kind": by_kind(asked)}


def _curve(found: burst.Curve) -> Figures:
    shares = {f"ready_{round(100 * share)}": found.seconds(share) for share in (0.1, 0.5, 0.9, 1.0)}
    return {"created": found.created - found.began, "ready_first": found.first, **shares}


def _server(before: str, after: str) -> Figures:
    """How long the API server itself took, whoever asked."""
    told: Figures = {}
    for name, wanted in (("reads", READS), ("writes", MUTATIONS)):
        found = procs.less(procs.buckets(after, LATENCY, wanted), procs.buckets(before, LATENCY, wanted))
        told[f"server_{name}_p50_ms"] = _ms(procs.quantile(found, 0.5))
        told[f"server_{name}_p99_ms"] = _ms(procs.quantile(found, 0.99))
    return told


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3
