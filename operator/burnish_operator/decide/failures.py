"""Why a Job failed, and what that means for trying again."""

from datetime import datetime, timedelta

from burnish_engine.errors import Action
from burnish_engine.outcome import ExitCode, Outcome
from burnish_engine.redact import sanitized
from burnish_operator.api import FailureStatus
from burnish_operator.decide.conditions import timestamp
from burnish_operator.decide.moments import moment
from burnish_operator.observe import Job, Pod

BASE_DELAY_SECONDS = 60
MAX_DELAY_SECONDS = 3600
OOM_KILLED = "OOMKilled"
_AGAIN = " It is tried again by itself."
_LOG = (
    "Read `kubectl logs job/{}`, then annotate the OptimizedModel with burnish.dev/retry=<time> to try again."
)


def failure_of(job: Job, key: str) -> FailureStatus:
    """The failure of a failed Job, ready to be remembered: the same Job is always the same failure."""
    reason, message, again = _diagnose(job)
    return FailureStatus(
        time=job.finished,
        reason=reason,
        message=sanitized(message),
        key=key,
        attempts=job.attempt,
        retry_at=_retry_at(job.finished, reason, job.attempt) if again else None,
    )


def _retry_at(finished: str, reason: str, attempts: int) -> str:
    if reason == OOM_KILLED:
        return finished
    delay = min(MAX_DELAY_SECONDS, BASE_DELAY_SECONDS * 4 ** min(attempts - 1, 10))
    return timestamp(datetime.fromisoformat(finished) + timedelta(seconds=delay))


def is_due(failure: FailureStatus, now: datetime, retry_annotation: str) -> bool:
    """Whether a new attempt may start: the back-off is over, or the user asked for it afterwards."""
    if failure.retry_at is not None and datetime.fromisoformat(failure.retry_at) <= now:
        return True
    asked = moment(retry_annotation)
    # A time yet to come would be after every failure: without a bound, a try a second until then.
    return asked is not None and datetime.fromisoformat(failure.time) < asked <= now


def next_try(failure: FailureStatus, now: datetime, retry_annotation: str) -> datetime | None:
    """When a new attempt will be due that is not due now; None: never by itself."""
    retry_at = datetime.fromisoformat(failure.retry_at) if failure.retry_at else None
    times = (retry_at, moment(retry_annotation))
    return min((time for time in times if time is not None and time > now), default=None)


def _diagnose(job: Job) -> tuple[str, str, bool]:
    """Reason, message with what to do, and whether to try again."""
    if job.reason == "DeadlineExceeded":
        remedy = (
            "Raise spec.optimization.deadline, lower spec.optimization.budget, or free nodes of this class."
        )
        return "DeadlineExceeded", f"The Job did not end in time. {remedy}", False
    pod = next((pod for pod in reversed(job.pods) if pod.ended), None)
    if pod is None:
        return (
            job.reason or "JobFailed",
            f"{job.message or 'The Job failed and its pods are gone.'}{_AGAIN}",
            True,
        )
    if pod.outcome is not None and not pod.outcome.succeeded:
        return _told(job, pod.outcome)
    return _of_pod(job, pod)


def _told(job: Job, outcome: Outcome) -> tuple[str, str, bool]:
    """What the optimizer itself says. Without an action it is a defect, which a new try does not cure."""
    if outcome.action is None:
        return outcome.reason, f"{outcome.message} {_LOG.format(job.name)}", False
    again = outcome.action is not Action.STALLED
    return outcome.reason, outcome.message + (_AGAIN if again else ""), again


def _of_pod(job: Job, pod: Pod) -> tuple[str, str, bool]:
    if pod.ended_by == OOM_KILLED:
        return _out_of_memory(job)
    if pod.reason in ("Evicted", "NodeLost", "Shutdown", "Terminated", "Preempting"):
        return pod.reason, f"Pod {pod.name} was removed from its node: {pod.message}{_AGAIN}", True
    if pod.exit_code == ExitCode.USAGE:
        message = (
            "The optimizer refuses its arguments: operator and optimizer image are of different versions."
        )
        return "VersionMismatch", f"{message} Install them from one release.", False
    if pod.exit_code in (ExitCode.TRANSIENT, 137, 143) or pod.exit_code is None:
        return "Interrupted", f"Pod {pod.name} ended with code {pod.exit_code}. {pod.message}{_AGAIN}", True
    if pod.exit_code == ExitCode.OK and job.reason == "EngineMissing":
        return job.reason, job.message + _AGAIN, True
    return (
        "OptimizerFailed",
        f"Pod {pod.name} ended with code {pod.exit_code}. {_LOG.format(job.name)}",
        False,
    )


def _out_of_memory(job: Job) -> tuple[str, str, bool]:
    if job.memory_factor == 1:
        return (
            OOM_KILLED,
            "The optimizer needs more memory than its limit: trying once more with twice as much.",
            True,
        )
    remedy = "Raise limits.memory in spec.serving.resources (or in the target's resources)."
    return (
        "OutOfMemory",
        f"The optimizer needs more than twice the memory limit of this target. {remedy}",
        False,
    )
