"""All that one decision about a rollout looks at."""

from dataclasses import dataclass

from burnish_engine.layout.runtimes import ServingRuntime
from burnish_engine.oci.reference import SCHEME
from burnish_operator.api import EngineStatus, Rollout, RolloutStrategy
from burnish_operator.decide.builds import Build
from burnish_operator.decide.rollout.state import Memory
from burnish_operator.decide.rollout.there import There
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed


@dataclass(frozen=True)
class Case:
    """One target: what is wanted, what is there, what is remembered."""

    seen: Observed
    target: ResolvedTarget
    build: Build
    found: There
    memory: Memory

    @property
    def spec(self) -> Rollout:
        """`spec.rollout`."""
        return self.seen.model.spec.rollout

    @property
    def wanted(self) -> EngineStatus | None:
        """The engine that the spec asks for; None while it is not there, or while one cannot know."""
        return self.build.engine.engine if self.build.engine else None

    @property
    def served(self) -> str:
        """`oci://…` of what the stable pods are told to serve; "" without any."""
        return self.found.stable.engine if self.found.stable else ""

    @property
    def runtime(self) -> ServingRuntime:
        """What engines are to be served with."""
        return self.seen.model.spec.serving.runtime

    @property
    def is_canary(self) -> bool:
        """Whether new engines must prove themselves; without any pod wanted there is nothing to share."""
        return self.spec.strategy is RolloutStrategy.CANARY and self.target.replicas > 0

    @property
    def is_blind(self) -> bool:
        """An analysis is asked for, and there is no Prometheus to ask."""
        return self.spec.analysis is not None and not self.seen.settings.prometheus_url

    @property
    def compares(self) -> bool:
        """Whether a canary's answers are compared with those of the stable pods."""
        return self.spec.analysis is not None and self.spec.analysis.min_agreement is not None

    @property
    def answers(self) -> bool:
        """Whether there is anything to protect, and to compare with."""
        return self.found.stable is not None and self.found.stable.ready > 0

    def serves(self, engine: EngineStatus) -> bool:
        """Whether the stable pods are told to serve it."""
        return self.served == address(engine.reference)


def address(reference: str) -> str:
    """`oci://…`, as pods are told it."""
    return f"{SCHEME}{reference}"
