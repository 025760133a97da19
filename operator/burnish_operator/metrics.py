"""Metrics of the operator and of the fleet (docs/contracts.md).

Figures of models are not stored in gauges but collected from the last status of each model: a model
that is gone takes its series with it.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from burnish_operator.api import FigureStatus, OptimizedModelStatus, TargetStatus
from burnish_operator.decide.transitions import rejections
from burnish_operator.observe import Job, JobState
from burnish_operator.observed import Observed

_QUANTILES = (("0.5", "p50_seconds"), ("0.9", "p90_seconds"), ("0.99", "p99_seconds"))
_TARGET = ("namespace", "model", "target")
_BUILD_BUCKETS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0)


class Fleet(Collector):
    """Gauges from the last known statuses and Jobs, by model."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: dict[tuple[str, str], OptimizedModelStatus] = {}
        self._jobs: dict[tuple[str, str], tuple[JobState, ...]] = {}

    def put(self, key: tuple[str, str], status: OptimizedModelStatus, jobs: tuple[JobState, ...]) -> None:
        """Take over a model's figures."""
        with self._lock:
            self._statuses[key], self._jobs[key] = status, jobs

    def forget(self, key: tuple[str, str]) -> None:
        """Drop a model and all its series."""
        with self._lock:
            self._statuses.pop(key, None)
            self._jobs.pop(key, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family a metric, from what is known now."""
        with self._lock:
            statuses, jobs = dict(self._statuses), dict(self._jobs)
        yield _jobs_family(jobs.values())
        rows = [((*key, t.name), t) for key, status in statuses.items() for t in status.targets]
        yield from (_latency(rows), _throughput(rows), _accuracy(rows), *_savings(rows), _weight(rows))


Rows = list[tuple[tuple[str, str, str], TargetStatus]]


def _jobs_family(jobs: Iterable[tuple[JobState, ...]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily("burnish_jobs", "Jobs of existing models, by state.", labels=["state"])
    states = [state for several in jobs for state in several]
    for state in JobState:
        family.add_metric([state.value.lower()], states.count(state))
    return family


def _sides(target: TargetStatus) -> list[tuple[str, FigureStatus]]:
    sides = (("baseline", target.baseline), ("optimized", target.optimized))
    return [(name, figures) for name, figures in sides if figures is not None]


def _latency(rows: Rows) -> GaugeMetricFamily:
    text = "Latency of a request, measured on the target, in seconds."
    family = GaugeMetricFamily("burnish_latency_seconds", text, labels=[*_TARGET, "variant", "quantile"])
    for labels, target in rows:
        for variant, figures in _sides(target):
            for quantile, field in _QUANTILES:
                family.add_metric([*labels, variant, quantile], getattr(figures, field))
    return family


def _throughput(rows: Rows) -> GaugeMetricFamily:
    text = "Samples a second of one replica, measured on the target."
    family = GaugeMetricFamily("burnish_throughput_per_second", text, labels=[*_TARGET, "variant"])
    for labels, target in rows:
        for variant, figures in _sides(target):
            family.add_metric([*labels, variant], figures.throughput_per_second)
    return family


def _accuracy(rows: Rows) -> GaugeMetricFamily:
    text = "The judged metric of the untouched source and of the engine."
    family = GaugeMetricFamily("burnish_accuracy_ratio", text, labels=[*_TARGET, "variant", "metric"])
    for labels, target in rows:
        if target.accuracy:
            metric = target.accuracy.metric.value
            family.add_metric([*labels, "reference", metric], target.accuracy.reference)
            family.add_metric([*labels, "optimized", metric], target.accuracy.value)
    return family


def _savings(rows: Rows) -> tuple[GaugeMetricFamily, ...]:
    needed = GaugeMetricFamily(
        "burnish_accelerators_needed", "Accelerators for the same load.", labels=[*_TARGET, "variant"]
    )
    saved = GaugeMetricFamily("burnish_accelerators_saved", "Accelerators saved.", labels=list(_TARGET))
    money = GaugeMetricFamily(
        "burnish_savings_per_hour",
        "Money saved an hour; absent without a price.",
        labels=[*_TARGET, "currency"],
    )
    for labels, target in rows:
        found = target.savings
        if found is None:
            continue
        needed.add_metric([*labels, "baseline"], found.accelerators_before)
        needed.add_metric([*labels, "optimized"], found.accelerators_after)
        saved.add_metric(list(labels), found.accelerators_before - found.accelerators_after)
        if found.per_hour is not None and found.currency is not None:
            money.add_metric([*labels, found.currency], found.per_hour)
    return needed, saved, money


def _weight(rows: Rows) -> GaugeMetricFamily:
    text = "Share of the pods that answer which are a canary's, 0 to 1; absent without a canary."
    family = GaugeMetricFamily("burnish_rollout_weight", text, labels=list(_TARGET))
    for labels, target in rows:
        if target.canary:
            family.add_metric(list(labels), target.canary.weight / 100)
    return family


class _Process(Collector):
    """What the process is like at the moment when it is asked."""

    def __init__(
        self, depth: Callable[[], int], leads: Callable[[], bool], ages: Callable[[], Mapping[str, float]]
    ) -> None:
        self._depth, self._leads, self._ages = depth, leads, ages

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("burnish_queue_depth", "Keys that wait for a worker.", value=self._depth())
        yield GaugeMetricFamily("burnish_leader", "1 in the process that leads, else 0.", value=self._leads())
        text = "Seconds since the most silent watch of this kind heard from the API server."
        family = GaugeMetricFamily("burnish_watch_age_seconds", text, labels=["kind"])
        for kind, age in self._ages().items():
            family.add_metric([kind], age)
        yield family


class Metrics:
    """All series of the operator, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._fleet = Fleet()
        self.registry.register(self._fleet)
        self._duration = Histogram(
            "burnish_reconcile_duration_seconds", "Duration of one turn of the loop.", registry=self.registry
        )
        self._errors = Counter(
            "burnish_reconcile_errors", "Turns that failed, by reason.", ["reason"], registry=self.registry
        )
        self._builds = Histogram(
            "burnish_optimization_duration_seconds", "Duration of optimization Jobs, by result.",
            ["result"], buckets=_BUILD_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._hits = Counter(
            "burnish_engine_cache_hits", "Engines that were found and not built.", registry=self.registry
        )

        self._rollbacks = Counter(
            "burnish_rollbacks", "Engines that were rejected while they were rolled out, by reason.",
            ["reason"], registry=self.registry,
        )  # fmt: skip

    def watch_process(
        self, depth: Callable[[], int], leads: Callable[[], bool], ages: Callable[[], Mapping[str, float]]
    ) -> None:
        """Report the queue's depth, who leads, and the silence of watches from now on."""
        self.registry.register(_Process(depth, leads, ages))

    def reconciled(self, seconds: float) -> None:
        """One turn is over."""
        self._duration.observe(seconds)

    def reconcile_failed(self, reason: str) -> None:
        """One turn failed."""
        self._errors.labels(reason).inc()

    def forget(self, namespace: str, name: str) -> None:
        """A model is gone."""
        self._fleet.forget((namespace, name))

    def observe(self, seen: Observed, old: OptimizedModelStatus, new: OptimizedModelStatus) -> None:
        """Take over a model's figures, and count what happened since its last status."""
        model = seen.model
        own = tuple(job for job in seen.jobs if job.owner == model.metadata.uid)
        self._fleet.put((model.namespace, model.name), new, tuple(job.state for job in own))
        for target in new.targets:
            before = old.target(target.name)
            self._count(before, target, own)
            for rejected in rejections(before, target):
                self._rollbacks.labels(rejected.reason).inc()

    def _count(self, old: TargetStatus | None, new: TargetStatus, own: tuple[Job, ...]) -> None:
        job = next((job for job in own if job.name == new.job and job.finished), None)
        if new.engine and (old is None or old.engine is None or old.engine.key != new.engine.key):
            if job is None:
                self._hits.inc()
            else:
                self._builds.labels("succeeded").observe(_seconds(job))
        elif new.last_failure and job and (old is None or old.last_failure != new.last_failure):
            self._builds.labels("failed").observe(_seconds(job))


def _seconds(job: Job) -> float:
    return (datetime.fromisoformat(job.finished) - datetime.fromisoformat(job.created)).total_seconds()
