"""The Prometheus of the world: it may be down, or see no traffic; and engines that passed every gate "
"may be ill."""

from collections import Counter
from dataclasses import dataclass, field, replace

from burnish_engine.errors import BurnishError
from burnish_operator.ports import Comparison, Samples
from fakes.prometheus import GOOD

NOTHING = Samples()


@dataclass
class Metrics:
    """Implements `ports.Prometheus`.

    ill: digests whose answers fail.   praised: by (namespace, model, digest), how often figures were good.
    """

    down: BurnishError | None = None
    silent: bool = False
    ill: set[str] = field(default_factory=set)
    praised: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def compare(self, question: Comparison) -> Samples:
        """What the world knows of a canary."""
        if self.down is not None:
            raise self.down
        if self.silent:
            return NOTHING
        if question.canary in self.ill:
            return replace(GOOD, canary_failed=GOOD.canary_requests)
        self.praised[question.namespace, question.model, question.canary] += 1
        return GOOD
