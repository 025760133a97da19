"""The Deployment that answers on a target, and its Service: what they should be, and whether they are."""

from dataclasses import replace

from burnish_engine.redact import sanitized
from burnish_operator.api import RolloutStatus
from burnish_operator.decide.rollout.changes import changes
from burnish_operator.decide.rollout.state import RolloutState, TargetRollout
from burnish_operator.decide.rollout.there import There
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observe import Workload
from burnish_operator.observed import Observed
from burnish_operator.plan import Plan
from burnish_operator.render.deployment import render_deployment
from burnish_operator.render.pod import placement_of
from burnish_operator.render.service import render_service


def plan(seen: Observed, target: ResolvedTarget, found: There, engine: str, *, current: bool) -> Plan:
    """What differs from the Deployment and the Service that are there.

    current: it is the engine that the spec asks for, and no older one.
    """
    runtime = seen.model.spec.serving.runtime
    if not current and found.stable is not None and found.stable.runtime is not runtime:
        # Another server is asked for, and the engine for it is not there yet.
        return ()
    placed = target if current else placed_as(target, found.stable)
    deployment = render_deployment(seen, placed, engine, target.replicas, runtime)
    return changes(target, (deployment, found.stable), (render_service(seen, placed), found.service))


def placed_as(target: ResolvedTarget, deployment: Workload | None) -> ResolvedTarget:
    """The target where the older engine serves: labels may flap, and what it was built for does not."""
    if deployment is None:
        return target
    wanted, absent = placement_of(deployment.raw["spec"]["template"]["spec"])
    return replace(target, match_labels=wanted, absent=absent)


def status(target: ResolvedTarget, found: There) -> RolloutStatus:
    """What the Deployment serves, and with how many pods."""
    deployment = found.stable
    return RolloutStatus(
        deployment=found.name,
        replicas=target.replicas,
        ready_replicas=deployment.ready if deployment else 0,
        digest=deployment.digest or None if deployment else None,
    )


def judge(
    target: ResolvedTarget, found: There, engine: str, planned: Plan, *, current: bool
) -> TargetRollout:
    """Whether the Deployment is what it should be; what is planned is not there yet."""
    deployment, told = found.stable, status(target, found)
    ready = deployment.ready if deployment else 0
    if deployment is not None and not planned and deployment.rolled_out(engine, target.replicas):
        message = f"{ready} of {target.replicas} pod(s) answer."
        return TargetRollout(RolloutState.DONE, current, message, "RolledOut", told)
    if deployment is not None and deployment.stuck and not planned and deployment.current:
        message = (
            f"New pods do not become ready: {sanitized(deployment.stuck)} "
            f"What served before goes on serving. See `kubectl logs deployment/{found.name}` and the "
            "pods' events."
        )
        return TargetRollout(RolloutState.STUCK, current, message, "ProgressDeadlineExceeded", told, planned)
    updated = deployment.updated if deployment and not planned else 0
    message = f"{updated} of {target.replicas} pod(s) run the new engine, {ready} answer."
    return TargetRollout(RolloutState.PROGRESSING, current, message, "RollingOut", told, planned)
