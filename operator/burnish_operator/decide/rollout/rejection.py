"""Engines that were tried and are not tried again: until their key changes, or a person asks."""

from collections.abc import Iterable

from burnish_operator.api import MAX_REJECTED, CanaryStatus, RejectedStatus
from burnish_operator.decide.conditions import timestamp
from burnish_operator.decide.rollout.case import address
from burnish_operator.decide.rollout.state import Memory
from burnish_operator.observed import Observed

_REMEDY = (
    "It is not tried again until its key changes. To try it again: kubectl burnish retry {name}; to roll "
    "it out as it is: kubectl burnish promote {name}."
)


def of_engine(memory: Memory, digest: str, key: str = "") -> RejectedStatus | None:
    """Whether this engine, or another build of its key, was rejected."""
    return next((r for r in memory.rejected if r.digest == digest or (key and r.key == key)), None)


def sound(memory: Memory, engine: str) -> str:
    """`oci://…` of what may serve: this engine or, where it was rejected, the one that it was to replace."""
    rejected = of_engine(memory, engine.rpartition("@")[2])
    return address(rejected.stable) if rejected else engine


def reject(seen: Observed, memory: Memory, canary: CanaryStatus, reason: str, found: str) -> Memory:
    """The canary is over, and why is remembered."""
    message = f"{found} {_REMEDY.format(name=seen.model.name)}"
    rejected = RejectedStatus(
        digest=canary.digest,
        key=canary.key,
        reason=reason,
        message=message,
        time=timestamp(seen.now),
        stable=canary.stable,
    )
    return Memory(None, (*without(memory.rejected, canary.digest, canary.key), rejected)[-MAX_REJECTED:])


def without(rejected: Iterable[RejectedStatus], digest: str, key: str) -> tuple[RejectedStatus, ...]:
    """All others."""
    return tuple(each for each in rejected if each.digest != digest and each.key != key)
