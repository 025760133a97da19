"""The highest rate at which a goal is kept, by halving. Pure: rates out, answers in."""

from dataclasses import dataclass

CLOSE = 1.05
"""Rates this close are one rate: trials of a second do not tell them apart."""
MAJORITY = 2
"""Two of at most three patterns of arrivals decide: one disturbance of the machine is not the model's."""
LOWEST = 1 / 64
"""Of the capacity: where not even this rate keeps the goal, none does."""


@dataclass(frozen=True)
class Trial:
    """One rate to try, on one pattern of arrivals."""

    rate: float
    seed: int


class RateSearch:
    """Tell it what each trial gave; it says which is next, until it knows.

    Args: capacity: requests per second of a client that waits for each answer: a queue gets no more.
    kept: the highest rate that kept the goal, 0 while there is none.   lost: the lowest that did not.
    """

    def __init__(self, capacity: float) -> None:
        self.capacity, self.kept, self.lost = capacity, 0.0, capacity
        self._kept_on = self._lost_on = 0

    @property
    def trial(self) -> Trial | None:
        """What to try next; None: the rate is known, or there is none."""
        is_known = self.lost <= max(self.kept * CLOSE, self.capacity * LOWEST)
        return None if is_known else Trial((self.kept + self.lost) / 2, self._kept_on + self._lost_on)

    def tell(self, kept: bool) -> None:
        """What the trial gave."""
        trial = self.trial
        if trial is None:
            return
        self._kept_on, self._lost_on = self._kept_on + kept, self._lost_on + (not kept)
        if self._kept_on == MAJORITY:
            self.kept = trial.rate
        elif self._lost_on == MAJORITY:
            self.lost = trial.rate
        else:
            return
        self._kept_on = self._lost_on = 0
