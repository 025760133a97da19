"""What the search can have done to a candidate. The bench does it with processes; a test can make it up."""

from dataclasses import dataclass
from typing import Protocol

from burnish_engine.report import Estimate
from burnish_engine.request import OptimizationRequest
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.search import bench as steps
from burnish_optimizer.search import mixed
from burnish_optimizer.search.attempt import Attempt, Mixed
from burnish_optimizer.search.bench import Bench
from burnish_optimizer.search.journal import Journal
from burnish_optimizer.search.order import promise


class Workshop(Protocol):
    """Each step ends with an attempt, whatever breaks."""

    @property
    def request(self) -> OptimizationRequest:
        """What is asked for."""

    def look(self, recipe: Recipe) -> Attempt:
        """Build, load, a few windows beside the baseline."""

    def promise(self, attempt: Attempt) -> float:
        """The objective over the baseline's, as far as a look tells."""

    def examine(self, attempt: Attempt) -> Attempt:
        """Judge it and measure it."""

    def measure(self, attempt: Attempt) -> Attempt:
        """Measure one that was judged already."""

    def mix(self, base: Attempt, best: float | None, journal: Journal) -> Mixed:
        """The best mixture of one that lost accuracy, judged and not measured.

        Args: best: the objective over the baseline's that must be beaten.   journal: keeps its steps.
        """

    def duel(self, first: Attempt, second: Attempt) -> Estimate | None:
        """The first one's time over the second's."""


@dataclass(frozen=True)
class RealWorkshop:
    """On this machine, in processes."""

    bench: Bench

    @property
    def request(self) -> OptimizationRequest:
        """See `Workshop`."""
        return self.bench.request

    def look(self, recipe: Recipe) -> Attempt:
        """See `Workshop`."""
        return steps.look(recipe, self.bench)

    def promise(self, attempt: Attempt) -> float:
        """See `Workshop`."""
        opened, size = self.bench.baseline_opened, self.bench.baseline_size_bytes
        return promise(attempt, self.request.minimize, opened, size)

    def examine(self, attempt: Attempt) -> Attempt:
        """See `Workshop`."""
        return steps.examine(attempt, self.bench)

    def measure(self, attempt: Attempt) -> Attempt:
        """See `Workshop`."""
        return steps.measure(attempt, self.bench)

    def mix(self, base: Attempt, best: float | None, journal: Journal) -> Mixed:
        """See `Workshop`."""
        return mixed.mix(base, self.bench, best, journal)

    def duel(self, first: Attempt, second: Attempt) -> Estimate | None:
        """See `Workshop`."""
        return steps.duel(first, second, self.bench)
