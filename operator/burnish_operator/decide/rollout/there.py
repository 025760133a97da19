"""What is there of one target: its workloads, or somebody else's under their names."""

from collections.abc import Iterable
from dataclasses import dataclass

from burnish_operator import names
from burnish_operator.api import OptimizedModel, RolloutStrategy
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.names import CANARY, STABLE
from burnish_operator.observe import Workload
from burnish_operator.observed import Observed
from burnish_operator.ports import DEPLOYMENT, SERVICE, Kind


@dataclass(frozen=True)
class There:
    """A target's Deployments and Services, as far as they are there.

    peer: the Service of the stable pods alone.   taken: a name that we need, and that is another's.
    """

    name: str
    stable: Workload | None
    service: Workload | None
    canary: Workload | None = None
    peer: Workload | None = None
    taken: str = ""


def find(seen: Observed, target: ResolvedTarget) -> There:
    """Look through the snapshot."""
    model = seen.model.name
    name = names.workload_name(model, target.name)
    beside = {track: names.beside(model, target.name, track) for track in (CANARY, STABLE)}
    found = (
        (_named(seen.deployments, name), ""),
        (_named(seen.services, name), ""),
        (_named(seen.deployments, beside[CANARY]), CANARY),
        (_named(seen.services, beside[STABLE]), STABLE),
    )
    taken = (w.name for w, track in found if w is not None and not _is_ours(seen, target, w, track))
    stable, service, canary, peer = (workload for workload, _ in found)
    return There(name, stable, service, canary, peer, next(taken, ""))


def names_of(kind: Kind, model: OptimizedModel, target: str) -> set[str]:
    """Names that a target needs for this kind of object, or may need soon."""
    spec, found = model.spec.rollout, {names.workload_name(model.name, target)}
    if kind is DEPLOYMENT and spec.strategy is RolloutStrategy.CANARY:
        found.add(names.beside(model.name, target, CANARY))
    if kind is SERVICE and spec.analysis is not None and spec.analysis.min_agreement is not None:
        found.add(names.beside(model.name, target, STABLE))
    return found


def _is_ours(seen: Observed, target: ResolvedTarget, workload: Workload, track: str) -> bool:
    # A target x-canary has the name that the canary of x needs.
    ours = (seen.model.metadata.uid, names.label_value(target.name), track)
    return (workload.owner, workload.target, workload.track) == ours


def _named(workloads: Iterable[Workload], name: str) -> Workload | None:
    return next((workload for workload in workloads if workload.name == name), None)
