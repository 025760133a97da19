"""What requests are like lately: while all are alike, one need not be read to be refused.

Reading a request costs more than refusing it. A server that reads everything first is so busy with what it
refuses that what it takes comes too late.
"""

import math
from dataclasses import dataclass

from burnish_serving.scheduling.groups import Group
from burnish_serving.scheduling.terms import DEFAULT_LEVEL

# So many in a row must be alike before one is judged unread.
ALIKE = 32
# While unread ones are refused, one in so many is read nevertheless: others may have come meanwhile.
READ_ONE_IN = 8
# Where somebody asked for another priority than the default, everything is read for this long.
PRIORITY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What the schedule knows requests by, but for the moment they came."""

    group: Group
    rows: int
    level: int


class Usual:
    """The kind of the last requests. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._kind: Kind | None = None
        self._alike = self._unread = 0
        self._read_all_until = -math.inf

    def add(self, kind: Kind, now: float) -> None:
        """One was read."""
        self._alike = self._alike + 1 if kind == self._kind else 1
        self._kind = kind
        if kind.level != DEFAULT_LEVEL:
            self._read_all_until = now + PRIORITY_SECONDS

    def kind(self, now: float) -> Kind | None:
        """What the next one will be like; None: that is not known."""
        return self._kind if self._alike >= ALIKE and now >= self._read_all_until else None

    def is_read_anyway(self) -> bool:
        """Whether the next one that would be refused unread is read."""
        self._unread += 1
        return self._unread % READ_ONE_IN == 0
