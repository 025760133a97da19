"""What the rollout of one target comes to."""

from dataclasses import dataclass
from enum import StrEnum

from burnish_operator.api import RolloutStatus
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
class TargetRollout:
    """What one target's rollout comes to. `current`: it is the engine that the spec asks for."""

    state: RolloutState
    current: bool
    message: str
    reason: str = ""
    status: RolloutStatus | None = None
    plan: Plan = ()
