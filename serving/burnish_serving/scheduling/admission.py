"""Whether a request can be answered in time. If not, it is refused at once: others can serve it."""

import math
from dataclasses import dataclass

from burnish_serving.errors import DeadlineExceeded, Overloaded

# Where no goal is set, a request may take this long, and at least that many times its own run: a full house
# of equal requests is within it, a short request behind long ones may not be.
DEFAULT_GOAL_SECONDS = 1.0
DEFAULT_GOAL_RUNS = 100.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What a newcomer has to expect. wait_seconds: until its run begins; run_seconds: of its own run."""

    wait_seconds: float
    run_seconds: float

    @property
    def seconds(self) -> float:
        """Until its answer."""
        return self.wait_seconds + self.run_seconds


def goal_seconds(goal: float | None, run_seconds: float) -> float:
    """How long a request may take: as set, or as follows from its own run (0: not known yet, no limit)."""
    if goal is not None:
        # One may always wait for another: else a goal close to a single run turns away every second client.
        return max(goal, 2 * run_seconds)
    return max(DEFAULT_GOAL_SECONDS, DEFAULT_GOAL_RUNS * run_seconds) if run_seconds > 0 else math.inf


def check_deadline(subject: str, deadline: float | None, now: float) -> None:
    """Raises: DeadlineExceeded: it is over already."""
    if deadline is not None and deadline <= now:
        raise too_late(subject, now - deadline)


def too_late(subject: str, seconds: float) -> DeadlineExceeded:
    """A request that nobody waits for any more."""
    return DeadlineExceeded(
        subject,
        found=f"its deadline {_milliseconds(seconds)} ago",
        expected="a turn before the deadline",
        remedy="Allow more time, or add replicas.",
    )


def check_wait(subject: str, expected: Expected, *, goal: float, left_seconds: float | None) -> None:
    """Refuse what would be answered too late.

    Args: goal: seconds that an answer may take.   left_seconds: until the request's deadline, None: no such.
    Raises: Overloaded.
    """
    allowed = goal if left_seconds is None else min(goal, left_seconds)
    if expected.wait_seconds <= 0 or expected.seconds <= allowed:
        return
    limit = "latency goal" if allowed == goal else "time left"
    raise Overloaded(
        subject,
        found=f"{_milliseconds(expected.seconds)} until an answer",
        expected=f"at most {_milliseconds(allowed)}, the {limit}",
        remedy="Try again in a moment, or add replicas.",
        retry_after_seconds=expected.seconds - allowed,
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
