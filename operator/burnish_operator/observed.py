"""One snapshot of everything that deciding about one model needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from burnish_engine.errors import BurnishError
from burnish_operator.api import AcceleratorClass, OptimizedModel
from burnish_operator.limits import NONE_RUN, Running
from burnish_operator.observe import Job, Node, Pod, Workload
from burnish_operator.ports import Engine, Samples
from burnish_operator.settings import Settings

Found = Engine | BurnishError | None


@dataclass(frozen=True)
class Resolved:
    """What the URIs of a model point at: digests, or why not."""

    source: str | BurnishError
    calibration: str | BurnishError | None = None
    evaluation: str | BurnishError | None = None

    def errors(self) -> list[BurnishError]:
        """What could not be resolved."""
        return [e for e in (self.source, self.calibration, self.evaluation) if isinstance(e, BurnishError)]


@dataclass(frozen=True)
class Observed:
    """A model and all that is around it. `nodes` are listed only where a target has a nodeSelector.

    jobs: our own and, for keys that we need, those of other models.
    engines: by key; BurnishError where the registry could not be asked; absent where no need was.
    comparisons: what Prometheus says of canaries, by target; absent where no analysis is due.
    canary_pods: by target, where not all of them answer.
    stable_pods: by target, where a rollout stands still.
    running: Jobs of all models that build now; counted only where there is a limit.
    """

    model: OptimizedModel
    settings: Settings
    now: datetime
    resolved: Resolved
    classes: tuple[AcceleratorClass, ...] | BurnishError = ()
    nodes: tuple[Node, ...] | BurnishError = ()
    jobs: tuple[Job, ...] = ()
    deployments: tuple[Workload, ...] = ()
    services: tuple[Workload, ...] = ()
    engines: Mapping[str, Found] = field(default_factory=dict)
    comparisons: Mapping[str, Samples | BurnishError] = field(default_factory=dict)
    canary_pods: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)
    stable_pods: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)
    running: Running = NONE_RUN

    @property
    def repository(self) -> str:
        """Where this model's engines go: `host/path`."""
        return self.model.spec.registry.repository or self.settings.repository
