"""How long the engine takes for so many rows: what was measured, and what is seen since."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

# A new figure counts this much. Old figures count half after HALF_LIFE_SECONDS: one slow run must not make a
# batch size unused for ever, since a size that is not used is not seen again.
WEIGHT = 0.25
PACE_WEIGHT = 0.1
HALF_LIFE_SECONDS = 10.0
# Sizes that are remembered: callers choose them.
REMEMBERED_SIZES = 64


@dataclass(slots=True)
class _Seen:
    seconds: float
    at: float


class ServiceTime:
    """Seconds of a run by rows, for one shape of rows.

    seeds: measured seconds by rows, from the engine's record; may be empty. They give the profile; how fast
    this machine is beside the one that measured is learned as one factor (the pace).
    """

    def __init__(self, seeds: Mapping[int, float]) -> None:
        self._rows, self._seconds = sorted(seeds), [seeds[rows] for rows in sorted(seeds)]
        self._seen: dict[int, _Seen] = {}
        self._pace = 1.0

    @property
    def is_known(self) -> bool:
        """Whether there is any figure."""
        return bool(self._rows)

    def seconds(self, rows: int, now: float) -> float:
        """What a run of so many rows should take; 0 where nothing is known."""
        prior, seen = self._prior(rows), self._seen.get(rows)
        if seen is None:
            return prior
        trust = math.exp2((seen.at - now) / HALF_LIFE_SECONDS)
        return prior + (seen.seconds - prior) * trust

    def observe(self, rows: int, seconds: float, now: float) -> None:
        """A run of so many rows took so long."""
        if not self._rows:
            self._rows, self._seconds = [rows], [seconds]
        estimate = self.seconds(rows, now)
        if (profile := self._profile(rows)) > 0:
            self._pace += PACE_WEIGHT * (seconds / profile - self._pace)
        self._seen.pop(rows, None)
        self._seen[rows] = _Seen(estimate + WEIGHT * (seconds - estimate), now)
        if len(self._seen) > REMEMBERED_SIZES:
            del self._seen[next(iter(self._seen))]

    def _prior(self, rows: int) -> float:
        return self._profile(rows) * self._pace

    def _profile(self, rows: int) -> float:
        """The seeds at this size: between two of them a straight line, beyond the last in proportion."""
        if not self._rows:
            return 0.0
        at = bisect_left(self._rows, rows)
        if at == 0:
            return self._seconds[0]
        low, low_seconds = self._rows[at - 1], self._seconds[at - 1]
        if at == len(self._rows):
            return low_seconds * rows / low
        share = (rows - low) / (self._rows[at] - low)
        return low_seconds + share * (self._seconds[at] - low_seconds)
