"""One snapshot of a model and all around it. The only reader of the cluster, the registry and Prometheus."""

import dataclasses
from collections.abc import Iterable, Mapping

from burnish_engine.errors import BurnishError
from burnish_engine.key import short_key
from burnish_operator import names
from burnish_operator.api import AcceleratorClass, InvalidObject, OptimizedModel
from burnish_operator.decide import builds, rollout, source, targets
from burnish_operator.decide.keys import key_of
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.errors import Forbidden
from burnish_operator.limits import NONE_RUN, Running, running
from burnish_operator.observe import (
    Job,
    JobState,
    Node,
    Pod,
    Workload,
    job_of,
    node_of,
    owner_of,
    pod_of,
    workload_of,
)
from burnish_operator.observed import Found, Observed, Resolved
from burnish_operator.ports import (
    ACCELERATOR_CLASS,
    DEPLOYMENT,
    JOB,
    NODE,
    POD,
    SERVICE,
    Clock,
    Cluster,
    Comparison,
    Engine,
    Kind,
    Object,
    Prometheus,
    Registry,
    Samples,
)
from burnish_operator.settings import Settings


class Gatherer:
    """Reads; never writes and never decides (it asks `decide` which keys matter).

    The order matters: Jobs are listed before the registry is asked, so that an engine whose Job was
    seen to have succeeded is there.
    """

    def __init__(
        self,
        cluster: Cluster,
        registry: Registry,
        clock: Clock,
        settings: Settings,
        prometheus: Prometheus | None = None,
    ) -> None:
        self._cluster, self._registry, self._clock, self._settings = cluster, registry, clock, settings
        self._prometheus = prometheus
        self._parsed: dict[str, tuple[str, AcceleratorClass]] = {}

    def gather(self, model: OptimizedModel) -> Observed:
        """Raises: the cluster's errors. What the registry or RBAC refuses is part of the snapshot."""
        deployments, services = (self._workloads(kind, model) for kind in (DEPLOYMENT, SERVICE))
        own_jobs = self._cluster.find(JOB, model.namespace, {names.MODEL: names.label_value(model.name)})
        seen = Observed(
            model=model,
            settings=self._settings,
            now=self._clock.now(),
            resolved=self._resolve(model),
            classes=self._classes(),
            nodes=self._nodes(model),
            deployments=deployments,
            services=services,
            jobs=tuple(job_of(raw) for raw in own_jobs),
        )
        found = targets.resolve(seen).resolved
        told = _told_attempts(seen, found)
        keys = set(told)
        jobs = self._jobs(own_jobs, told)
        engines = self._engines(seen, keys, jobs, rollout.new_keys(seen, found))
        return dataclasses.replace(
            seen,
            deployments=(*deployments, *self._strangers(DEPLOYMENT, model, found, deployments)),
            services=(*services, *self._strangers(SERVICE, model, found, services)),
            jobs=jobs,
            engines=engines,
            comparisons=self._comparisons(rollout.comparisons(seen, found)),
            canary_pods=self._serving_pods(model, rollout.waiting_canaries(seen, found), canary=True),
            stable_pods=self._serving_pods(model, rollout.halted(seen, found), canary=False),
            running=self._running(seen, found, any(not isinstance(engines.get(k), Engine) for k in keys)),
        )

    def _resolve(self, model: OptimizedModel) -> Resolved:
        spec = model.spec
        return Resolved(
            source=self._digest(model, "source", spec.source.uri),
            calibration=self._digest(model, "calibration", spec.calibration.uri)
            if spec.calibration
            else None,
            evaluation=self._digest(model, "evaluation", spec.evaluation.uri) if spec.evaluation else None,
        )

    def _digest(self, model: OptimizedModel, role: str, uri: str) -> str | BurnishError:
        known = source.pinned(model, role)
        if known is not None:
            return known
        if not uri.startswith("oci://"):
            return source.unpinned(uri)
        try:
            return self._registry.resolve(uri)
        except BurnishError as error:
            return error

    def _classes(self) -> tuple[AcceleratorClass, ...] | BurnishError:
        try:
            found = self._cluster.find(ACCELERATOR_CLASS)
            return tuple(self._class(raw) for raw in found)
        except (Forbidden, InvalidObject) as error:
            return error

    def _class(self, raw: Object) -> AcceleratorClass:
        """Every model reads every class, and classes seldom change: each state is parsed once."""
        name, state = (
            raw["metadata"]["name"],
            f"{raw['metadata']['uid']} {raw['metadata']['resourceVersion']}",
        )
        known = self._parsed.get(name)
        if known is None or known[0] != state:
            self._parsed[name] = known = (state, AcceleratorClass.from_dict(raw))
        return known[1]

    def _nodes(self, model: OptimizedModel) -> tuple[Node, ...] | BurnishError:
        if not any(target.node_selector for target in model.spec.targets):
            return ()
        try:
            return tuple(node_of(raw) for raw in self._cluster.find(NODE))
        except Forbidden as error:
            return error

    def _workloads(self, kind: Kind, model: OptimizedModel) -> tuple[Workload, ...]:
        labels = {names.MODEL: names.label_value(model.name)}
        return tuple(workload_of(raw) for raw in self._cluster.find(kind, model.namespace, labels))

    def _strangers(
        self,
        kind: Kind,
        model: OptimizedModel,
        found: Iterable[ResolvedTarget],
        known: tuple[Workload, ...],
    ) -> tuple[Workload, ...]:
        """Objects without our labels that have a name which we want: they must not be taken over."""
        wanted = {name for target in found for name in rollout.names_of(kind, model, target.name)}
        absent = wanted - {workload.name for workload in known}
        strangers = (self._cluster.get(kind, model.namespace, name) for name in sorted(absent))
        return tuple(workload_of(raw) for raw in strangers if raw is not None)

    def _comparisons(self, asked: Mapping[str, Comparison]) -> dict[str, Samples | BurnishError]:
        if self._prometheus is None:
            return {}
        return {name: _answer(self._prometheus, question) for name, question in asked.items()}

    def _serving_pods(
        self, model: OptimizedModel, targets: Iterable[str], *, canary: bool
    ) -> dict[str, tuple[Pod, ...]]:
        """Of canaries, or of the others, which need not have a track."""
        found: dict[str, tuple[Pod, ...]] = {}
        for target in targets:
            track = {names.TRACK: names.CANARY} if canary else {}
            pods = self._cluster.find(POD, model.namespace, names.selector(model.name, target) | track)
            read = [pod_of(raw) for raw in pods]
            found[target] = tuple(pod for pod in read if (pod.track == names.CANARY) is canary)
        return found

    def _jobs(self, own: list[Object], told: Mapping[str, int]) -> tuple[Job, ...]:
        shared = [
            raw
            for key in sorted(told)
            for raw in self._cluster.find(JOB, labels={names.ENGINE_KEY: short_key(key)})
        ]
        found = {raw["metadata"]["uid"]: raw for raw in (*own, *shared)}
        return tuple(self._with_pods(job_of(raw), told, raw) for raw in found.values())

    def _running(self, seen: Observed, found: Iterable[ResolvedTarget], may_build: bool) -> Running:
        if not (may_build and any(builds.limits(seen.settings, target) for target in found)):
            return NONE_RUN
        return running(self._cluster.find(JOB, labels=names.OURS))

    def _with_pods(self, job: Job, told: Mapping[str, int], raw: Object) -> Job:
        if job.key not in told:
            return job
        pods = self._pods_of(job, fresh=False)
        is_news = job.state is JobState.FAILED and job.attempt > told[job.key]
        if is_news and not any(pod.ended for pod in pods):
            # Word of a Job may come before that of its pod, and the cause decides whether it is tried again.
            pods = self._pods_of(job, fresh=True)
        return job_of(raw, pods)

    def _pods_of(self, job: Job, *, fresh: bool) -> tuple[Pod, ...]:
        labels = {names.ENGINE_KEY: short_key(job.key), "batch.kubernetes.io/job-name": job.name}
        pods = self._cluster.find(POD, job.namespace, labels, fresh=fresh)
        # Pods of a Job that had this name before may be there for a while.
        return tuple(pod_of(pod) for pod in pods if owner_of(pod["metadata"]) == job.uid)

    def _engines(
        self, seen: Observed, keys: set[str], jobs: tuple[Job, ...], new: set[str]
    ) -> dict[str, Found]:
        # While our own Job works on an engine there is nothing to be found.
        uid, repository = seen.model.metadata.uid, seen.repository
        busy = {job.engine for job in jobs if job.state is JobState.ACTIVE and job.owner == uid}
        asked = {key for key in keys if repository and names.engine_place(repository, key) not in busy}
        found = {key: self._engine(repository, key, fresh=key in new) for key in sorted(asked)}
        # Pods serve this key, and the registry was seen with another build of it: new to them all the same.
        again = {key for key, engine in found.items() if key not in new and rollout.is_new(seen, engine)}
        return found | {key: self._engine(repository, key, fresh=True) for key in sorted(again)}

    def _engine(self, repository: str, key: str, *, fresh: bool) -> Found:
        try:
            return self._registry.find_engine(repository, key, fresh=fresh)
        except BurnishError as error:
            return error


def _answer(prometheus: Prometheus, question: Comparison) -> Samples | BurnishError:
    try:
        return prometheus.compare(question)
    except BurnishError as error:
        return error


def _told_attempts(seen: Observed, found: Iterable[ResolvedTarget]) -> dict[str, int]:
    """By key that a target needs: how many failed attempts all targets which need it remember."""
    told: dict[str, int] = {}
    for target in found:
        key, old = key_of(seen, target), seen.model.status.target(target.name)
        failure = old.last_failure if old else None
        attempts = failure.attempts if failure and failure.key == key else 0
        if key:
            told[key] = min(attempts, told.get(key, attempts))
    return told
