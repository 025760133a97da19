"""The Deployment that answers on a target, and its Service: what they should be, and whether they are."""

from dataclasses import replace

from burnish_engine.redact import sanitized
from burnish_operator.api import RolloutStatus
from burnish_operator.decide.rollout import room
from burnish_operator.decide.rollout.case import Case
from burnish_operator.decide.rollout.changes import changes
from burnish_operator.decide.rollout.state import RolloutState, TargetRollout
from burnish_operator.decide.rollout.there import There
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observe import Workload
from burnish_operator.plan import Plan
from burnish_operator.ports import Object
from burnish_operator.render.deployment import render_deployment
from burnish_operator.render.pod import placement_of
from burnish_operator.render.service import render_service


def plan(case: Case, engine: str, replicas: int, *, current: bool) -> Plan:
    """What differs from the Deployment and the Service that are there.

    current: it is the engine that the spec asks for, and no older one.
    """
    target, found = case.target, case.found
    if not current and found.stable is not None and found.stable.runtime is not case.runtime:
        # Another server is asked for, and the engine for it is not there yet.
        return ()
    placed = target if current else placed_as(target, found.stable)
    deployment, service = _rendered(case, placed, engine, replicas), render_service(case.seen, placed)
    return changes(target, (deployment, found.stable), (service, found.service))


def _rendered(case: Case, placed: ResolvedTarget, engine: str, replicas: int) -> Object:
    wanted = (case.seen, placed, engine, replicas, case.runtime)
    deployment = render_deployment(*wanted)
    return render_deployment(*wanted, surges=False) if room.is_tight(case, deployment) else deployment


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


def judge(case: Case, engine: str, planned: Plan, *, current: bool) -> TargetRollout:
    """Whether the Deployment is what it should be; what is planned is not there yet."""
    target, found = case.target, case.found
    deployment, told = found.stable, status(target, found)
    ready = deployment.ready if deployment else 0
    if deployment is not None and not planned and deployment.rolled_out(engine, target.replicas):
        message = f"{ready} of {target.replicas} pod(s) answer."
        return TargetRollout(RolloutState.DONE, current, message, "RolledOut", told)
    if not planned and (problem := room.problem(case)):
        return TargetRollout(RolloutState.BLOCKED, current, problem, room.NO_ROOM, told)
    if deployment is not None and deployment.stuck and not planned and deployment.current:
        message = (
            f"New pods do not become ready: {sanitized(deployment.stuck)} "
            f"What served before goes on serving. See `kubectl logs deployment/{found.name}` and the "
            "pods' events."
        )
        return TargetRollout(RolloutState.STUCK, current, message, "ProgressDeadlineExceeded", told, planned)
    updated = deployment.updated if deployment and not planned else 0
    message = f"{updated} of {target.replicas} pod(s) run the new engine, {ready} answer."
    if deployment and not deployment.surges and not planned:
        message += " There is no room for one more: they are replaced one at a time."
    return TargetRollout(RolloutState.PROGRESSING, current, message, "RollingOut", told, planned)
