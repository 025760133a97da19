"""What serves on one target, and what should.

The floor: whatever serves goes on serving until a new engine is built, published and ready. A build
that fails, a class without nodes or a suspended model therefore never touches the engine of a Deployment.
Until the new engine is there, the old one is also served by the server that it was rolled out with.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from burnish_engine.oci.reference import SCHEME
from burnish_engine.redact import sanitized
from burnish_operator import names
from burnish_operator.api import ConditionType, RolloutStatus
from burnish_operator.decide import servable
from burnish_operator.decide.builds import Build
from burnish_operator.decide.keys import key_of
from burnish_operator.decide.servable import Held
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observe import Workload
from burnish_operator.observed import Found, Observed
from burnish_operator.plan import Apply, Delete, Plan, Why
from burnish_operator.ports import DEPLOYMENT, SERVICE, Engine, Kind
from burnish_operator.render.deployment import render_deployment
from burnish_operator.render.differs import differs
from burnish_operator.render.pod import placement_of
from burnish_operator.render.service import render_service


class RolloutState(StrEnum):
    """Where the rollout of one target is."""

    NONE = "None"
    DISABLED = "Disabled"
    PROGRESSING = "Progressing"
    DONE = "Done"
    STUCK = "Stuck"
    BLOCKED = "Blocked"


@dataclass(frozen=True)
class TargetRollout:
    """What one target's rollout comes to. `current`: it is the engine that the spec asks for."""

    state: RolloutState
    current: bool
    message: str
    reason: str = ""
    status: RolloutStatus | None = None
    plan: Plan = ()


def decide(seen: Observed, target: ResolvedTarget, build: Build) -> TargetRollout:
    """The rollout of one target."""
    if not seen.model.spec.serving.enabled:
        return TargetRollout(RolloutState.DISABLED, True, "Serving is disabled.", "ServingDisabled")
    name = names.workload_name(seen.model.name, target.name)
    deployment = next((d for d in seen.deployments if d.name == name), None)
    service = next((s for s in seen.services if s.name == name), None)
    for found in (deployment, service):
        if found is not None and found.owner != seen.model.metadata.uid:
            return _taken(name)
    engine = _engine(build, deployment)
    if not engine:
        return TargetRollout(RolloutState.NONE, False, "Waits for an engine.", "WaitingForEngine")
    held = servable.held(seen.model.spec.serving.runtime, build.engine, engine, deployment)
    if held is not None:
        return _held(target, name, held, deployment)
    placed = target if build.engine else _placed_as(target, deployment)
    plan = () if seen.model.spec.suspend else _plan(seen, placed, build, engine, (deployment, service))
    return _judge(target, name, engine, deployment, plan, current=build.engine is not None)


def new_keys(seen: Observed, found: Iterable[ResolvedTarget]) -> set[str]:
    """Keys whose engines, if there are any, would be new to the pods of a target."""
    spec = seen.model.spec
    if spec.suspend or not spec.serving.enabled:
        return set()
    keys = {target.name: key_of(seen, target) for target in found}
    return {key for name, key in keys.items() if key and not _is_served(seen, name, key)}


def is_new(seen: Observed, found: Found) -> bool:
    """Whether pods are wanted for this engine, and there are none that are told to serve it."""
    spec = seen.model.spec
    if spec.suspend or not spec.serving.enabled or not isinstance(found, Engine):
        return False
    return all(deployment.engine.rpartition("@")[2] != found.digest for deployment in seen.deployments)


def _is_served(seen: Observed, target: str, key: str) -> bool:
    old = seen.model.status.target(target)
    if old is None or old.engine is None or old.engine.key != key:
        return False
    place = (names.workload_name(seen.model.name, target), f"{SCHEME}{old.engine.reference}")
    return any((deployment.name, deployment.engine) == place for deployment in seen.deployments)


def _engine(build: Build, deployment: Workload | None) -> str:
    """What the pods should serve: the new engine once there is one, until then what they serve now."""
    if build.engine is not None:
        return f"{SCHEME}{build.engine.engine.reference}"
    return deployment.engine if deployment else ""


def _placed_as(target: ResolvedTarget, deployment: Workload | None) -> ResolvedTarget:
    """The target where the older engine serves: labels may flap, and what it was built for does not."""
    if deployment is None:
        return target
    wanted, absent = placement_of(deployment.raw["spec"]["template"]["spec"])
    return replace(target, match_labels=wanted, absent=absent)


def _changes_hands(seen: Observed, build: Build, deployment: Workload | None) -> bool:
    """Whether another server is asked for, and the engine for it is not there yet."""
    wanted = seen.model.spec.serving.runtime
    return build.engine is None and deployment is not None and deployment.runtime is not wanted


def _held(target: ResolvedTarget, name: str, held: Held, deployment: Workload | None) -> TargetRollout:
    """The new engine is not rolled out; what serves stays as it is."""
    state = RolloutState.BLOCKED if held.blocked else RolloutState.NONE
    kept = " What served before goes on serving." if deployment else ""
    status = _status(target, name, deployment) if deployment else None
    return TargetRollout(state, False, f"{held.message}{kept}", held.reason, status)


def _status(target: ResolvedTarget, name: str, deployment: Workload | None) -> RolloutStatus:
    digest = deployment.engine.rpartition("@")[2] if deployment else ""
    return RolloutStatus(
        deployment=name,
        replicas=target.replicas,
        ready_replicas=deployment.ready if deployment else 0,
        digest=digest or None,
    )


def _taken(name: str) -> TargetRollout:
    message = (
        f"A Deployment or Service {name} exists that is not of this model: delete it, or rename the model."
    )
    return TargetRollout(RolloutState.BLOCKED, False, message, "NameConflict")


def _plan(
    seen: Observed,
    target: ResolvedTarget,
    build: Build,
    engine: str,
    stored: tuple[Workload | None, Workload | None],
) -> Plan:
    """What differs from the Deployment and the Service that are there."""
    deployment, service = stored
    if _changes_hands(seen, build, deployment):
        return ()
    runtime = seen.model.spec.serving.runtime
    why = Why(ConditionType.ROLLED_OUT, target.name)
    pairs = (
        (render_deployment(seen, target, engine, target.replicas, runtime), deployment),
        (render_service(seen, target), service),
    )
    return tuple(
        Apply(wanted, why) for wanted, stored in pairs if stored is None or differs(wanted, stored.raw)
    )


def _judge(
    target: ResolvedTarget,
    name: str,
    engine: str,
    deployment: Workload | None,
    plan: Plan,
    *,
    current: bool,
) -> TargetRollout:
    ready = deployment.ready if deployment else 0
    status = _status(target, name, deployment)
    if deployment is not None and not plan and deployment.rolled_out(engine, target.replicas):
        message = f"{ready} of {target.replicas} pod(s) answer."
        return TargetRollout(RolloutState.DONE, current, message, "RolledOut", status)
    if deployment is not None and deployment.stuck and not plan and deployment.current:
        message = (
            f"New pods do not become ready: {sanitized(deployment.stuck)} "
            f"What served before goes on serving. See `kubectl logs deployment/{name}` and the pods' events."
        )
        return TargetRollout(RolloutState.STUCK, current, message, "ProgressDeadlineExceeded", status, plan)
    updated = deployment.updated if deployment and not plan else 0
    message = f"{updated} of {target.replicas} pod(s) run the new engine, {ready} answer."
    return TargetRollout(RolloutState.PROGRESSING, current, message, "RollingOut", status, plan)


def prune(seen: Observed, kept: set[str]) -> Plan:
    """Delete our Deployments and Services of targets that the spec no longer asks for."""
    uid = seen.model.metadata.uid
    found: list[tuple[Kind, Workload]] = [(DEPLOYMENT, d) for d in seen.deployments]
    found += [(SERVICE, s) for s in seen.services]
    gone = [(k, w) for k, w in found if w.owner == uid and not w.deleting and w.name not in kept]
    namespace = seen.model.namespace
    return tuple(
        Delete(kind, namespace, w.name, w.uid, Why(ConditionType.ROLLED_OUT, w.target)) for kind, w in gone
    )
