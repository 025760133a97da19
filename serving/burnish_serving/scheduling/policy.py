"""How a model is scheduled."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """How a model is scheduled.

    max_rows: of a batch; 1: no batching.   sizes: batch sizes in rows that were measured.
    instances: runs at once.   goal_seconds: what an answer may take, None: see `admission`.
    max_delay_seconds: that a request waits for others, None: as long as it pays and the goal allows.
    """

    max_rows: int = 1
    sizes: tuple[int, ...] = (1,)
    instances: int = 1
    goal_seconds: float | None = None
    max_delay_seconds: float | None = None


def preferred_sizes(measured: Sequence[int], max_rows: int) -> tuple[int, ...]:
    """Measured batch sizes up to the largest allowed one, which is always among them."""
    return tuple(sorted({1, max_rows, *(size for size in measured if size <= max_rows)}))
