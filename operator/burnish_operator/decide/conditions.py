"""Conditions: a verdict for each concern, and `Ready` computed in one place.

`Ready` means: every target serves what the spec asks for, as it stands now. Where a new engine could
not be built and an older one goes on serving, Ready is False and Degraded is True.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from burnish_engine.errors import Action, BurnishError
from burnish_engine.redact import sanitized
from burnish_operator.api import Condition, ConditionStatus, ConditionType

# The first of these that does not hold is why a model is not ready; upstream first.
ROAD = (
    ConditionType.SOURCE_RESOLVED,
    ConditionType.TARGETS_RESOLVED,
    ConditionType.OPTIMIZED,
    ConditionType.PUBLISHED,
    ConditionType.ROLLED_OUT,
)


@dataclass(frozen=True)
class Verdict:
    """What a step says about its own condition."""

    type: str
    status: ConditionStatus
    reason: str
    message: str


def holds(kind: ConditionType, reason: str, message: str) -> Verdict:
    """A condition that is True."""
    return Verdict(kind, ConditionStatus.TRUE, reason, message)


def fails(kind: ConditionType, reason: str, message: str) -> Verdict:
    """A condition that is False."""
    return Verdict(kind, ConditionStatus.FALSE, reason, message)


def unknown(kind: ConditionType, reason: str, message: str) -> Verdict:
    """A condition that cannot be judged now."""
    return Verdict(kind, ConditionStatus.UNKNOWN, reason, message)


def of_error(kind: ConditionType, error: BurnishError) -> Verdict:
    """An error as a condition: Unknown where nobody is at fault, False where the user must act."""
    judge = unknown if error.action is Action.TRANSIENT else fails
    return judge(kind, error.reason, sanitized(str(error)))


def ready(verdicts: Iterable[Verdict], *, suspended: bool) -> Verdict:
    """The one place where `Ready` is computed."""
    by_type = {verdict.type: verdict for verdict in verdicts}
    failing = next((by_type[k] for k in ROAD if by_type[k].status is not ConditionStatus.TRUE), None)
    if failing is None:
        return holds(ConditionType.READY, "Ready", by_type[ConditionType.ROLLED_OUT].message)
    if suspended:
        message = f"Suspended: nothing new is started. {failing.message}"
        return fails(ConditionType.READY, "Suspended", message)
    return Verdict(ConditionType.READY, failing.status, failing.reason, failing.message)


def conditions(
    verdicts: Iterable[Verdict], old: Sequence[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Verdicts as conditions; `lastTransitionTime` moves only where the status did."""
    known = {condition.type: condition for condition in old}
    return tuple(_condition(verdict, known.get(verdict.type), generation, now) for verdict in verdicts)


def _condition(verdict: Verdict, old: Condition | None, generation: int, now: datetime) -> Condition:
    kept = old is not None and old.status == verdict.status
    return Condition(
        type=verdict.type,
        status=verdict.status,
        reason=verdict.reason,
        message=verdict.message,
        last_transition_time=old.last_transition_time if old and kept else timestamp(now),
        observed_generation=generation,
    )


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, as Kubernetes writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
