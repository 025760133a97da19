"""What serves on one target, and what should.

The floor: whatever serves goes on serving until a new engine is built, published and ready. A build
that fails, a class without nodes or a suspended model therefore never touches the engine of a Deployment.
Until the new engine is there, the old one is also served by the server that it was rolled out with.
"""

from burnish_engine.oci.reference import SCHEME
from burnish_operator.decide import servable
from burnish_operator.decide.builds import Build
from burnish_operator.decide.rollout import stable, there
from burnish_operator.decide.rollout.pruning import prune
from burnish_operator.decide.rollout.questions import is_new, new_keys
from burnish_operator.decide.rollout.state import RolloutState, TargetRollout
from burnish_operator.decide.servable import Held
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observe import Workload
from burnish_operator.observed import Observed

__all__ = ["RolloutState", "TargetRollout", "decide", "is_new", "new_keys", "prune"]


def decide(seen: Observed, target: ResolvedTarget, build: Build) -> TargetRollout:
    """The rollout of one target."""
    if not seen.model.spec.serving.enabled:
        return TargetRollout(RolloutState.DISABLED, True, "Serving is disabled.", "ServingDisabled")
    found = there.find(seen, target)
    if found.taken:
        return _taken(found.taken)
    engine = _engine(build, found.stable)
    if not engine:
        return TargetRollout(RolloutState.NONE, False, "Waits for an engine.", "WaitingForEngine")
    held = servable.held(seen.model.spec.serving.runtime, build.engine, engine, found.stable)
    if held is not None:
        return _held(target, held, found)
    current = build.engine is not None
    plan = () if seen.model.spec.suspend else stable.plan(seen, target, found, engine, current=current)
    return stable.judge(target, found, engine, plan, current=current)


def _engine(build: Build, deployment: Workload | None) -> str:
    """What the pods should serve: the new engine once there is one, until then what they serve now."""
    if build.engine is not None:
        return f"{SCHEME}{build.engine.engine.reference}"
    return deployment.engine if deployment else ""


def _held(target: ResolvedTarget, held: Held, found: there.There) -> TargetRollout:
    """The new engine is not rolled out; what serves stays as it is."""
    state = RolloutState.BLOCKED if held.blocked else RolloutState.NONE
    kept = " What served before goes on serving." if found.stable else ""
    status = stable.status(target, found) if found.stable else None
    return TargetRollout(state, False, f"{held.message}{kept}", held.reason, status)


def _taken(name: str) -> TargetRollout:
    message = (
        f"A Deployment or Service {name} exists that is not of this model: delete it, or rename the model."
    )
    return TargetRollout(RolloutState.BLOCKED, False, message, "NameConflict")
