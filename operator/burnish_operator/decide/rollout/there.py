"""What is there of one target: its Deployment and its Service, or somebody else's under the same name."""

from collections.abc import Iterable
from dataclasses import dataclass

from burnish_operator import names
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observe import Workload
from burnish_operator.observed import Observed


@dataclass(frozen=True)
class There:
    """`taken`: the name of an object that is not ours and has a name that we need."""

    name: str
    stable: Workload | None
    service: Workload | None
    taken: str = ""


def find(seen: Observed, target: ResolvedTarget) -> There:
    """Look through the snapshot."""
    name = names.workload_name(seen.model.name, target.name)
    deployment, service = _named(seen.deployments, name), _named(seen.services, name)
    foreign = [w for w in (deployment, service) if w is not None and w.owner != seen.model.metadata.uid]
    return There(name, deployment, service, foreign[0].name if foreign else "")


def _named(workloads: Iterable[Workload], name: str) -> Workload | None:
    return next((workload for workload in workloads if workload.name == name), None)
