"""Which hardware a model is built for, and what its pods get there."""

from collections.abc import Sequence
from dataclasses import dataclass

from burnish_engine.errors import BurnishError
from burnish_engine.redact import sanitized
from burnish_operator.api import (
    AcceleratorClass,
    AcceleratorClassSpec,
    ConditionType,
    Match,
    Metadata,
    ResourceRequirements,
    Target,
    Toleration,
    parse_quantity,
)
from burnish_operator.decide.classes import is_discovered, matches, takes_pods, tolerations_of
from burnish_operator.decide.conditions import Verdict, fails, holds, of_error
from burnish_operator.hardware import absent_labels
from burnish_operator.names import label_value
from burnish_operator.observe import JobState
from burnish_operator.observed import Observed

KIND = ConditionType.TARGETS_RESOLVED
CPU_REQUESTS = {"cpu": "250m", "memory": "512Mi"}
CPU_LIMITS = {"cpu": "1", "memory": "2Gi"}


@dataclass(frozen=True)
class ResolvedTarget:
    """A target with everything that its Job and its Deployment need.

    nodes: ready nodes now. With none nothing is started; what serves stays.
    """

    name: str
    class_name: str
    facts: dict[str, str]
    match_labels: dict[str, str]
    absent: tuple[str, ...]
    tolerations: tuple[Toleration, ...]
    resources: ResourceRequirements
    replicas: int
    nodes: int
    accelerator: AcceleratorClass


@dataclass(frozen=True)
class Unresolved:
    """A target that cannot be built for now."""

    name: str
    reason: str
    message: str
    class_name: str | None = None


@dataclass(frozen=True)
class Targets:
    """All targets of a model, those that can be built for and those that cannot."""

    resolved: tuple[ResolvedTarget, ...]
    unresolved: tuple[Unresolved, ...]
    verdict: Verdict


def resolve(seen: Observed) -> Targets:
    """Resolve `spec.targets`, or discover every class with a node (or that we serve or build on already)."""
    spec = seen.model.spec
    if not isinstance(seen.classes, BurnishError):
        discovered = [Target(accelerator_class=c.name) for c in _discovered(seen.classes, seen)]
        chosen = discovered if spec.discovers_targets else spec.targets
        found = [_resolve_one(target, seen, seen.classes) for target in chosen]
    elif spec.discovers_targets:
        return Targets((), (), of_error(KIND, seen.classes))
    else:
        found = [_without_classes(target, seen, seen.classes) for target in spec.targets]
    resolved = tuple(t for t in found if isinstance(t, ResolvedTarget))
    unresolved = tuple(t for t in found if isinstance(t, Unresolved))
    return Targets(resolved, unresolved, _judge(resolved, unresolved))


def _discovered(classes: Sequence[AcceleratorClass], seen: Observed) -> list[AcceleratorClass]:
    # Nodes of a class may be away for a while (drained, cordoned, relabelled): where we serve, we stay, and
    # what is being built is not lost.
    uid = seen.model.metadata.uid
    kept = {workload.target for workload in seen.deployments}
    kept |= {job.target for job in seen.jobs if job.owner == uid and job.state is JobState.ACTIVE}
    return sorted((c for c in classes if _nodes(c) or label_value(c.name) in kept), key=lambda c: c.name)


def _nodes(accelerator: AcceleratorClass) -> int:
    """Nodes that pods may count on: one at least where an autoscaler brings it."""
    return accelerator.status.nodes or int(bool(accelerator.spec.scales_from_zero))


def _judge(resolved: Sequence[ResolvedTarget], unresolved: Sequence[Unresolved]) -> Verdict:
    empty = [Unresolved(t.name, "NoMatchingNodes", _no_nodes(t.class_name)) for t in resolved if t.nodes == 0]
    problems = [*unresolved, *empty]
    if problems:
        return fails(KIND, problems[0].reason, " ".join(f"{p.name}: {p.message}" for p in problems))
    if not resolved:
        message = "No ready node of any accelerator class. See `kubectl get ac` and the nodes' labels."
        return fails(KIND, "NoAcceleratorClasses", message)
    return holds(KIND, "Resolved", f"{len(resolved)} target(s): {', '.join(t.name for t in resolved)}.")


def _resolve_one(
    target: Target, seen: Observed, classes: Sequence[AcceleratorClass]
) -> ResolvedTarget | Unresolved:
    if target.node_selector is not None:
        return _by_selector(target, seen, classes)
    name = target.accelerator_class or ""
    accelerator = next((c for c in classes if c.name == name), None)
    if accelerator is None:
        return Unresolved(
            name, "NoSuchClass", f"There is no AcceleratorClass {name}; see `kubectl get ac`.", name
        )
    return _resolved(target, accelerator, {}, _nodes(accelerator), seen)


def _without_classes(target: Target, seen: Observed, error: BurnishError) -> ResolvedTarget | Unresolved:
    """An operator with rights in one namespace alone sees no class: a nodeSelector still says enough.

    Its labels are all that is known of the hardware, and the scheduler judges whether nodes carry them.
    """
    if target.node_selector is None:
        message = f"{error} A target with a nodeSelector needs no such right."
        return Unresolved(target.effective_name, error.reason, sanitized(message), target.accelerator_class)
    known = seen.model.status.target(target.effective_name)
    if known is not None and known.accelerator_class not in (None, target.effective_name):
        # The right was there before: an answer that is refused for a moment must not make it other hardware.
        message = (
            f"{error} Its class was {known.accelerator_class}; another name for the target forgets that."
        )
        return Unresolved(target.effective_name, error.reason, sanitized(message), known.accelerator_class)
    facts = {"kind": "selected", "node_selector": _told(target.node_selector)}
    spec = AcceleratorClassSpec(match=Match(match_labels=dict(target.node_selector)), facts=facts)
    accelerator = AcceleratorClass(metadata=Metadata(name=target.effective_name), spec=spec)
    return _resolved(target, accelerator, {}, 1, seen)


def _by_selector(
    target: Target, seen: Observed, classes: Sequence[AcceleratorClass]
) -> ResolvedTarget | Unresolved:
    if isinstance(seen.nodes, BurnishError):
        return Unresolved(target.effective_name, seen.nodes.reason, str(seen.nodes))
    selector = target.node_selector or {}
    nodes = [n for n in seen.nodes if all(n.labels.get(k) == v for k, v in selector.items())]
    candidates = [c for c in classes if nodes and all(matches(c, node) for node in nodes)]
    if not nodes:
        return Unresolved(target.effective_name, "NoMatchingNodes", f"No node carries {_told(selector)}.")
    if not candidates:
        message = f"The nodes with {_told(selector)} are not of one accelerator class: select more narrowly."
        return Unresolved(target.effective_name, "MixedNodes", message)
    # The class that says most about the nodes.
    accelerator = min(candidates, key=lambda c: (-len(c.spec.match.match_labels), c.name))
    tolerations = (*tolerations_of(accelerator), *target.tolerations)
    count = sum(takes_pods(node, tolerations) for node in nodes)
    return _resolved(target, accelerator, dict(selector), count, seen)


def _resolved(
    target: Target, accelerator: AcceleratorClass, selector: dict[str, str], nodes: int, seen: Observed
) -> ResolvedTarget:
    match = accelerator.spec.match.match_labels
    serving = seen.model.spec.serving
    # A class counts no nodes whose taints only this target tolerates: let the scheduler judge those.
    usable = nodes or (1 if target.tolerations and not selector else 0)
    return ResolvedTarget(
        name=target.effective_name,
        class_name=accelerator.name,
        facts=dict(accelerator.spec.facts),
        match_labels={**match, **selector},
        absent=absent_labels(match, accelerator.spec.resource_name) if is_discovered(accelerator) else (),
        tolerations=(*tolerations_of(accelerator), *target.tolerations),
        resources=resources_for(target.resources or serving.resources, accelerator),
        replicas=serving.replicas if target.replicas is None else target.replicas,
        nodes=usable,
        accelerator=accelerator,
    )


def resources_for(asked: ResourceRequirements | None, accelerator: AcceleratorClass) -> ResourceRequirements:
    """What was asked for, else the class's, else ours; always with the accelerator itself."""
    chosen = asked or accelerator.spec.defaults.resources
    if chosen is None or chosen.is_empty:
        chosen = ResourceRequirements(requests=CPU_REQUESTS, limits=CPU_LIMITS)
    limits = dict(chosen.limits)
    name = accelerator.spec.resource_name
    if name and name not in limits:
        limits[name] = "1"
    requests = {k: v for k, v in chosen.requests.items() if k not in limits or _at_most(v, limits[k])}
    return ResourceRequirements(requests=requests, limits=limits)


def _at_most(request: str, limit: str) -> bool:
    # A request above its limit is refused by the API server; the limit is what the user meant.
    return parse_quantity(request) <= parse_quantity(limit)


def _no_nodes(class_name: str) -> str:
    return (
        f"No ready node of class {class_name} takes pods. Nothing new is built for it until one does. "
        "If that hardware is gone for good, list the classes that remain in spec.targets."
    )


def _told(selector: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
