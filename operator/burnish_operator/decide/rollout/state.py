"""What the rollout of one target comes to, and what is remembered of it."""

from dataclasses import dataclass
from enum import StrEnum

from burnish_operator.api import CanaryStatus, RejectedStatus, RolloutStatus, TargetStatus
from burnish_operator.plan import Plan


class RolloutState(StrEnum):
    """Where the rollout of one target is."""

    NONE = "None"
    DISABLED = "Disabled"
    PROGRESSING = "Progressing"
    DONE = "Done"
    STUCK = "Stuck"
    BLOCKED = "Blocked"


@dataclass(frozen=True)
class Memory:
    """What the status knows of canaries, and nothing else does."""

    canary: CanaryStatus | None = None
    rejected: tuple[RejectedStatus, ...] = ()


def remembered(status: TargetStatus | None) -> Memory:
    """From the status of a target."""
    return Memory(status.canary, status.rejected or ()) if status else Memory()


@dataclass(frozen=True)
class TargetRollout:
    """What one target's rollout comes to. `current`: it is the engine that the spec asks for."""

    state: RolloutState
    current: bool
    message: str
    reason: str = ""
    status: RolloutStatus | None = None
    plan: Plan = ()
    memory: Memory = Memory()
    look_again_seconds: float | None = None
