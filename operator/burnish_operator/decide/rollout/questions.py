"""What deciding about rollouts needs to know: gathering asks here before it asks the world."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from burnish_operator import names
from burnish_operator.api import CanaryPhase, RolloutStrategy
from burnish_operator.decide.builds import Build, BuildState
from burnish_operator.decide.keys import key_of
from burnish_operator.decide.rollout import room, there
from burnish_operator.decide.rollout.case import Case, address
from burnish_operator.decide.rollout.state import remembered
from burnish_operator.decide.rollout.steps import is_ready
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Found, Observed
from burnish_operator.ports import Comparison, Engine


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
    return all(deployment.digest != found.digest for deployment in seen.deployments)


def _is_served(seen: Observed, target: str, key: str) -> bool:
    old = seen.model.status.target(target)
    if old is None or old.engine is None or old.engine.key != key:
        return False
    place = (names.workload_name(seen.model.name, target), address(old.engine.reference))
    return any((deployment.name, deployment.engine) == place for deployment in seen.deployments)


def comparisons(seen: Observed, found: Iterable[ResolvedTarget]) -> dict[str, Comparison]:
    """What Prometheus is to be asked now, by target: only what an analysis is due for."""
    if not _follows(seen) or seen.model.spec.rollout.analysis is None or not seen.settings.prometheus_url:
        return {}
    asked = {case.target.name: _comparison(case) for case in _cases(seen, found)}
    return {name: question for name, question in asked.items() if question is not None}


def waiting_canaries(seen: Observed, found: Iterable[ResolvedTarget]) -> list[str]:
    """Targets whose canaries have pods that do not answer: it is worth a look at them."""
    if not _follows(seen):
        return []
    cases = ((case, case.memory.canary) for case in _cases(seen, found))
    return [case.target.name for case, canary in cases if canary and not is_ready(case, canary)]


def halted(seen: Observed, found: Iterable[ResolvedTarget]) -> list[str]:
    """Targets whose rollouts stand still though older pods answer: there may be no room for new ones."""
    if not room.is_asked(seen):
        return []
    ours = ((target.name, there.find(seen, target)) for target in found)
    return [name for name, each in ours if not each.taken and room.halts(seen, each)]


def _follows(seen: Observed) -> bool:
    spec = seen.model.spec
    return spec.serving.enabled and not spec.suspend and spec.rollout.strategy is RolloutStrategy.CANARY


def _cases(seen: Observed, found: Iterable[ResolvedTarget]) -> Iterator[Case]:
    """Without engines: they are asked for later, and what is remembered tells enough."""
    unknown = Build(BuildState.UNKNOWN, None, "")
    for target in found:
        memory = remembered(seen.model.status.target(target.name))
        if memory.canary is not None and memory.canary.phase is CanaryPhase.STEPPING:
            yield Case(seen, target, unknown, there.find(seen, target), memory)


def _comparison(case: Case) -> Comparison | None:
    canary, limits = case.memory.canary, case.spec.analysis
    if canary is None or limits is None or canary.since is None or not is_ready(case, canary):
        return None
    last = datetime.fromisoformat(canary.analyses.time or canary.since)
    if case.seen.now - last < timedelta(seconds=limits.interval_seconds):
        return None
    model, digest = case.seen.model, canary.stable.rpartition("@")[2]
    return Comparison(model.namespace, model.name, canary.digest, digest, limits.interval_seconds)
