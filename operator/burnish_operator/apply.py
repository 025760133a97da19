"""A plan into the cluster and the registry. One failed action does not keep the others from being done."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish_engine.errors import BurnishError
from burnish_operator import names
from burnish_operator.decide.model import Failure
from burnish_operator.errors import ClusterConflict, JobsFull, PutOff
from burnish_operator.limits import Limit, running
from burnish_operator.observe import JobState, job_of
from burnish_operator.plan import Action, Apply, CreateJob, Delete, PutIndex
from burnish_operator.ports import JOB, Cluster, Object, Registry


@dataclass
class Applied:
    """What came of a plan: failures, and the index that was pushed."""

    failures: list[Failure] = field(default_factory=list)
    index: str | None = None


class Applier:
    """Does actions in order. Every action may be done twice without harm."""

    def __init__(self, cluster: Cluster, registry: Registry) -> None:
        self._cluster, self._registry = cluster, registry
        # Two models in two workers may want the same engine: looking and creating is one step.
        self._creating = threading.Lock()

    def apply(self, plan: Sequence[Action]) -> Applied:
        """Do all actions; tell which ones failed.

        Raises: PutOff: the rest of the plan, and what to tell of it, waits for another turn; JobsFull: what
            to tell of it does.
        """
        done, full = Applied(), None
        for action in plan:
            try:
                self._do(action, done)
            except JobsFull as error:
                full = error
            except PutOff:
                raise
            except BurnishError as error:
                done.failures.append(Failure(action.why, error))
        if full is not None:
            raise full
        return done

    def _do(self, action: Action, done: Applied) -> None:
        match action:
            case CreateJob(job, _, limits):
                self._create(job, limits)
            case Apply(obj):
                self._cluster.apply(obj)
            case Delete(kind, namespace, name, uid):
                self._cluster.delete(kind, namespace, name, uid)
            case PutIndex(repository, tag, engines):
                digest = self._registry.put_index(repository, tag, dict(engines))
                done.index = f"{repository}:{tag}@{digest}"

    def _create(self, job: Object, limits: Sequence[Limit]) -> None:
        with self._creating:
            if self._is_under_way(job):
                return
            self._check(job, limits)
            try:
                self._cluster.create(job)
            except ClusterConflict:
                # The very Job was created by someone else, or the one before is still being removed.
                return

    def _check(self, job: Object, limits: Sequence[Limit]) -> None:
        if not limits:
            return
        found = self._cluster.find(JOB, labels=names.OURS, fresh=True)
        if reached := running(found).reached(limits):
            raise JobsFull(f"Job {job['metadata']['name']}", found=reached, expected="one less")

    def _is_under_way(self, job: Object) -> bool:
        metadata = job["metadata"]
        label = {names.ENGINE_KEY: metadata["labels"][names.ENGINE_KEY]}
        others = [job_of(raw) for raw in self._cluster.find(JOB, labels=label, fresh=True)]
        engine = metadata["annotations"][names.ENGINE]
        return any(o.engine == engine and o.state is JobState.ACTIVE and not o.deleting for o in others)
