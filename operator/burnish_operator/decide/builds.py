"""One engine for one target: is it there, is it being built, may it be built, why did it fail.

The order of what is believed: the registry (the engine lies there), then a Job, then the failure that
the status remembers, for a Job does not outlive its TTL and its failure must.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from burnish_engine.errors import Action, BurnishError
from burnish_engine.redact import sanitized
from burnish_operator import names
from burnish_operator.api import ConditionType, FailureStatus, TargetStatus
from burnish_operator.decide.failures import OOM_KILLED, failure_of, is_due, next_try
from burnish_operator.decide.figures import Built, of_engine, of_outcome, of_status
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.limits import Limit
from burnish_operator.observe import Job, JobState
from burnish_operator.observed import Observed
from burnish_operator.plan import CreateJob, Delete, Plan, Why
from burnish_operator.ports import JOB, Engine
from burnish_operator.render.job import render_job
from burnish_operator.settings import Settings

FOREIGN_POLL_SECONDS = 15.0
SOON_SECONDS = 0.0


class BuildState(StrEnum):
    """Where the engine of one target is."""

    BUILT = "Built"
    BUILDING = "Building"
    WAITING = "Waiting"
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    UNKNOWN = "Unknown"


@dataclass(frozen=True)
class Build:
    """What one target's engine comes to: its state, what to tell, and what to do."""

    state: BuildState
    key: str | None
    progress: str
    reason: str = ""
    engine: Built | None = None
    job: str | None = None
    failure: FailureStatus | None = None
    plan: Plan = ()
    look_again_seconds: float | None = None


def decide(seen: Observed, target: ResolvedTarget, key: str | None) -> Build:
    """The build of one target."""
    old = seen.model.status.target(target.name)
    if key is None:
        return Build(BuildState.WAITING, None, "Waits for the source to be resolved.", "SourceUnresolved")
    jobs = [job for job in seen.jobs if job.key == key and job.engine == _where(seen, key)]
    engine = _engine(seen, key, jobs, old)
    if isinstance(engine, Built):
        return Build(BuildState.BUILT, key, "", engine=engine, job=_job_name(seen, jobs))
    remembered = old.last_failure if old and old.last_failure and old.last_failure.key == key else None
    if isinstance(engine, BurnishError):
        return _no_registry(key, engine, remembered)
    if any(job.state is JobState.ACTIVE for job in jobs):
        return _under_way(seen, target, key, jobs, remembered)
    return _at_rest(seen, target, key, _ended(seen, jobs), remembered)


def _where(seen: Observed, key: str) -> str:
    return names.engine_place(seen.repository, key)


def _job_name(seen: Observed, jobs: list[Job]) -> str | None:
    return next((job.name for job in jobs if job.owner == seen.model.metadata.uid), None)


def _age(job: Job) -> tuple[str, str]:
    """Of two Jobs for one engine the older one stays, whoever judges."""
    return job.created, job.namespace


def _engine(
    seen: Observed, key: str, jobs: list[Job], old: TargetStatus | None
) -> Built | BurnishError | None:
    found = seen.engines.get(key)
    if isinstance(found, Engine):
        return of_engine(found)
    if not isinstance(found, BurnishError):
        return None
    # The registry cannot be asked: what was known before still holds, and so does a Job's last word.
    if old is not None and old.engine is not None and old.engine.key == key:
        return of_status(old)
    outcomes = [pod.outcome for job in jobs for pod in job.pods if job.state is JobState.SUCCEEDED]
    said = next((outcome for outcome in outcomes if outcome and outcome.succeeded and outcome.digest), None)
    return of_outcome(said, seen.repository) if said else found


def _no_registry(key: str, error: BurnishError, remembered: FailureStatus | None) -> Build:
    state = BuildState.UNKNOWN if error.action is Action.TRANSIENT else BuildState.FAILED
    return Build(state, key, sanitized(str(error)), error.reason, failure=remembered)


def _under_way(
    seen: Observed,
    target: ResolvedTarget,
    key: str,
    jobs: list[Job],
    remembered: FailureStatus | None,
) -> Build:
    active = min((job for job in jobs if job.state is JobState.ACTIVE), key=_age)
    uid = seen.model.metadata.uid
    surplus = [j for j in jobs if j.owner == uid and j is not active and j.state is JobState.ACTIVE]
    plan: Plan = tuple(_delete(job, target.name) for job in surplus if not job.deleting)
    if active.owner == uid:
        progress = _progress(active)
        if seen.model.spec.suspend:
            return replace(_suspended(key, remembered), plan=(*plan, _delete(active, target.name)))
        job = active.name
        return Build(BuildState.BUILDING, key, progress, "Building", job=job, failure=remembered, plan=plan)
    message = f"Job {active.namespace}/{active.name} of another model builds the same engine."
    return replace(_waits(key, message, "BuiltElsewhere", remembered), plan=plan)


def _progress(job: Job) -> str:
    if job.deleting:
        return f"Job {job.name} is being removed."
    pod = job.pods[-1] if job.pods else None
    if pod is None:
        return f"Job {job.name} has no pod yet."
    if pod.waits_for:
        return f"Pod {pod.name} waits. {sanitized(pod.waits_for)}"
    return f"Job {job.name} {'runs' if pod.phase == 'Running' else 'starts'}" + (
        f" on node {pod.node}." if pod.node else "."
    )


def _ended(seen: Observed, jobs: list[Job]) -> Job | None:
    """The ended Job that counts: our own before another model's, the latest first."""
    uid = seen.model.metadata.uid
    ended = sorted(jobs, key=lambda job: (job.owner == uid, job.finished), reverse=True)
    if not ended:
        return None
    if ended[0].state is JobState.SUCCEEDED:
        message = (
            f"Job {ended[0].name} succeeded, and the registry has no engine {_where(seen, ended[0].key)}."
        )
        return replace(ended[0], state=JobState.FAILED, reason="EngineMissing", message=message)
    return ended[0]


def _at_rest(
    seen: Observed, target: ResolvedTarget, key: str, ended: Job | None, remembered: FailureStatus | None
) -> Build:
    failure = remembered
    if ended is not None and (remembered is None or remembered.attempts < ended.attempt):
        failure = failure_of(ended, key)
    if seen.model.spec.suspend:
        return _suspended(key, failure)
    if failure is None:
        return _start(seen, target, key, None)
    if failure is not remembered:
        # Remember first, act next time: whenever we are killed, no failure is forgotten.
        return _failed(key, failure, ended, SOON_SECONDS)
    if is_due(failure, seen.now, seen.model.metadata.annotations.get(names.RETRY, "")):
        return _start(seen, target, key, failure)
    return _failed(key, failure, ended, _seconds_until_retry(seen, failure))


def _seconds_until_retry(seen: Observed, failure: FailureStatus) -> float | None:
    due = next_try(failure, seen.now, seen.model.metadata.annotations.get(names.RETRY, ""))
    return None if due is None else (due - seen.now).total_seconds()


def _failed(key: str, failure: FailureStatus, ended: Job | None, again: float | None) -> Build:
    name = ended.name if ended else None
    progress = f"{failure.message}" + (f" Next try at {failure.retry_at}." if failure.retry_at else "")
    return Build(
        BuildState.FAILED, key, progress, failure.reason, job=name, failure=failure, look_again_seconds=again
    )


def _suspended(key: str, failure: FailureStatus | None) -> Build:
    message = "Suspended: set spec.suspend to false to go on."
    return Build(BuildState.SUSPENDED, key, message, "Suspended", failure=failure)


def _start(seen: Observed, target: ResolvedTarget, key: str, failure: FailureStatus | None) -> Build:
    if target.nodes == 0:
        message = f"Waits for a ready node of class {target.class_name}."
        return Build(BuildState.WAITING, key, message, "NoMatchingNodes", failure=failure)
    if not seen.repository:
        message = "No repository: set spec.registry.repository, or BURNISH_REPOSITORY of the operator."
        return Build(BuildState.FAILED, key, message, "NoRepository", failure=failure)
    holder = _holder(seen, key)
    if holder is not None and _is_busy_for_others(seen, holder):
        place = f"Job {holder.name} of another model"
        message = f"{place} builds the same engine for another repository: it goes first."
        return _waits(key, message, "BuiltElsewhere", failure)
    bounds = limits(seen.settings, target)
    if reached := seen.running.reached(bounds):
        return _waits(key, f"Waits for its turn: {reached}.", "JobLimitReached", failure)
    factor = 2 if failure is not None and failure.reason == OOM_KILLED else 1
    attempt = failure.attempts + 1 if failure is not None else 1
    job = render_job(seen, target, key, attempt=attempt, memory_factor=factor)
    why = Why(ConditionType.OPTIMIZED, target.name)
    plan: Plan = (CreateJob(job, why, bounds),)
    if holder is not None:
        plan = (_delete(holder, target.name), *plan)
    name = names.job_name(key)
    return Build(
        BuildState.BUILDING,
        key,
        f"Job {name} has no pod yet.",
        "Building",
        job=name,
        failure=failure,
        plan=plan,
        # Another worker may have been first, with a Job whose events wake its own model alone.
        look_again_seconds=FOREIGN_POLL_SECONDS,
    )


def limits(settings: Settings, target: ResolvedTarget) -> tuple[Limit, ...]:
    """What bounds the Jobs that build at once, where this target needs one."""
    of_class, name = target.accelerator.spec.max_jobs, target.class_name
    found = (Limit(settings.max_jobs, "BURNISH_MAX_JOBS of the operator"),) if settings.max_jobs else ()
    if of_class is None:
        return found
    return (*found, Limit(of_class, f"spec.maxJobs of AcceleratorClass {name}", names.label_value(name)))


def _holder(seen: Observed, key: str) -> Job | None:
    """The Job that has the name which we want: ended, or for the same key in another repository."""
    name = names.job_name(key)
    return next((j for j in seen.jobs if (j.namespace, j.name) == (seen.model.namespace, name)), None)


def _is_busy_for_others(seen: Observed, holder: Job) -> bool:
    return holder.state is JobState.ACTIVE and holder.owner != seen.model.metadata.uid


def _waits(key: str, message: str, reason: str, failure: FailureStatus | None) -> Build:
    """For Jobs of others, whose events do not wake this model."""
    again = FOREIGN_POLL_SECONDS
    return Build(BuildState.WAITING, key, message, reason, failure=failure, look_again_seconds=again)


def _delete(job: Job, target: str) -> Delete:
    return Delete(JOB, job.namespace, job.name, job.uid, Why(ConditionType.OPTIMIZED, target))
