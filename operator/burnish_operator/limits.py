"""How many Jobs may build at once: in all, and on one class of hardware."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from burnish_operator.observe import is_over, job_of
from burnish_operator.ports import Object


@dataclass(frozen=True)
class Limit:
    """At most so many. accelerator: on this class; "": in all. where: who set it, for people."""

    most: int
    where: str
    accelerator: str = ""

    def told(self, running: int) -> str:
        """Why one more must wait."""
        place = f" on class {self.accelerator}" if self.accelerator else ""
        return f"{running} Job(s) build{place}, and at most {self.most} may ({self.where})"


@dataclass(frozen=True)
class Running:
    """Jobs that build now, of all models: in all, and by class."""

    total: int = 0
    by_class: tuple[tuple[str, int], ...] = ()

    def reached(self, limits: Iterable[Limit]) -> str:
        """Why one more must wait; "": it need not."""
        for limit in limits:
            count = dict(self.by_class).get(limit.accelerator, 0) if limit.accelerator else self.total
            if count >= limit.most:
                return limit.told(count)
        return ""


NONE_RUN = Running()


def running(jobs: Iterable[Object]) -> Running:
    """Count. A Job that is held back (by Kueue, say) takes nothing; one that is on its way out still does."""
    active = [job for job in (job_of(raw) for raw in jobs if not is_over(raw)) if not job.suspended]
    return Running(len(active), tuple(sorted(Counter(job.accelerator for job in active).items())))
