"""What a caller asks of the schedule: until when, and how urgently."""

from dataclasses import dataclass

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
