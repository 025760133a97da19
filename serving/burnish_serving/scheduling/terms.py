"""What a caller asks of the schedule: until when, and how urgently."""

import math
from dataclasses import dataclass

from burnish_serving.protocol.messages import InferRequest

DEFAULT_LEVEL = 5
LOWEST_LEVEL = 10
# One level is worth this much waiting: a request is never overtaken by those that come later than that,
# times the levels between them. Far above any latency goal, and nobody starves.
LEVEL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one request.

    deadline: seconds of the monotonic clock (`asyncio`'s loop time); None: none. What is not computed by
        then is not computed at all.
    priority: 1 is the highest, a larger number is lower, 0 is the default (level 5 of 10).
    Source: Triton's schedule policy extension.
    """

    deadline: float | None = None
    priority: int = 0

    @property
    def level(self) -> int:
        """The level that waits: 1 (first) to 10."""
        return min(self.priority, LOWEST_LEVEL) if self.priority > 0 else DEFAULT_LEVEL


ANY_TIME = Terms()


def terms_of(request: InferRequest, arrived: float, deadline: float | None = None) -> Terms:
    """What a request asks of the schedule in its parameters, beside the deadline that its protocol tells.

    Args: arrived: its time-out runs from then on; seconds of the monotonic clock, as the deadline.
    """
    timeout = request.timeout_seconds
    if timeout is None and deadline is None and not request.priority:
        return ANY_TIME
    own = math.inf if timeout is None else arrived + timeout
    until = min(own, math.inf if deadline is None else deadline)
    return Terms(until if math.isfinite(until) else None, request.priority)
