"""The decision about one model: every concern in order, then one plan and one status."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from burnish_engine.errors import BurnishError
from burnish_operator import names
from burnish_operator.api import ConditionType, OptimizedModelStatus, TargetStatus
from burnish_operator.decide import builds, publish, rollout, source, targets, verdicts
from burnish_operator.decide.builds import BuildState
from burnish_operator.decide.conditions import Verdict, conditions, of_error, ready
from burnish_operator.decide.entries import Road, entry, summary, unresolved_entry
from burnish_operator.decide.keys import key_of
from burnish_operator.decide.publish import Publication, pushed
from burnish_operator.decide.source import digest_or_none
from burnish_operator.decide.targets import Targets
from burnish_operator.observe import Job, JobState
from burnish_operator.observed import Observed
from burnish_operator.plan import CreateJob, Delete, Plan, Why
from burnish_operator.ports import JOB


@dataclass(frozen=True)
class Failure:
    """An action that did not succeed."""

    why: Why
    error: BurnishError


@dataclass(frozen=True)
class Decision:
    """What to do now, and all that the status is made of once it was done."""

    plan: Plan
    verdicts: tuple[Verdict, ...]
    entries: tuple[TargetStatus, ...]
    index: str | None
    arrived: int
    look_again_seconds: float | None


def keys_of(seen: Observed, found: Targets) -> dict[str, str | None]:
    """Engine key by target name."""
    return {target.name: key_of(seen, target) for target in found.resolved}


def decide(seen: Observed) -> Decision:
    """From a snapshot to a plan."""
    found = targets.resolve(seen)
    keys = keys_of(seen, found)
    roads = [_road(seen, target, keys[target.name]) for target in found.resolved]
    expected = len(found.resolved) + len(found.unresolved)
    publication = _publication(seen, roads, expected)
    kept = _kept(seen, found)
    plan: list[object] = [
        *_superseded(seen, found, set(keys.values())),
        *(action for road in roads for action in (*road.build.plan, *road.rollout.plan)),
        *publication.plan,
        *(rollout.prune(seen, kept) if kept is not None else ()),
    ]
    times = [part.look_again_seconds for road in roads for part in (road.build, road.rollout)]
    waits = [seconds for seconds in times if seconds is not None]
    # Someone may push what is missing, or grant access: no event of the cluster tells.
    waits += [source.LOOK_AGAIN_SECONDS] if seen.resolved.errors() else []
    return Decision(
        plan=_once(plan),  # type: ignore[arg-type]
        verdicts=(
            source.judge(seen.resolved),
            found.verdict,
            verdicts.optimized(roads, expected),
            publication.verdict,
            verdicts.rolled_out(roads, expected),
            verdicts.degraded(roads),
        ),
        entries=_entries(seen, roads, found),
        index=publication.index,
        arrived=sum(road.arrived for road in roads),
        look_again_seconds=min(waits, default=None),
    )


def _road(seen: Observed, target: targets.ResolvedTarget, key: str | None) -> Road:
    build = builds.decide(seen, target, key)
    return Road(target, build, rollout.decide(seen, target, build))


def _publication(seen: Observed, roads: Sequence[Road], expected: int) -> Publication:
    engines = {road.target.name: road.build.engine.engine.digest for road in roads if road.build.engine}
    complete = len(engines) == expected and all(road.build.state is BuildState.BUILT for road in roads)
    return publish.decide(seen, engines, complete=complete)


def _kept(seen: Observed, found: Targets) -> set[str] | None:
    """Names of workloads that stay; None where that cannot be told now."""
    if _targets_unknown(seen) or seen.model.spec.suspend:
        return None
    if not seen.model.spec.serving.enabled:
        return set()
    names_of_targets = [t.name for t in found.resolved] + [t.name for t in found.unresolved]
    kept = {names.workload_name(seen.model.name, name) for name in names_of_targets}
    # Which of them are wanted is for each target's rollout to say.
    kept |= {
        names.beside(seen.model.name, name, track)
        for name in names_of_targets
        for track in (names.CANARY, names.STABLE)
    }
    if seen.model.spec.discovers_targets:
        # A class that was deleted may come back at once (its nodes are still there): pods that answer stay.
        kept |= {deployment.name for deployment in seen.deployments if deployment.ready > 0}
    return kept


def _targets_unknown(seen: Observed) -> bool:
    return isinstance(seen.classes, BurnishError) and seen.model.spec.discovers_targets


def _superseded(seen: Observed, found: Targets, keys: set[str | None]) -> Plan:
    """Running Jobs of ours for engines that nobody asks for any more, or not there, or not now."""
    uid = seen.model.metadata.uid
    if seen.model.spec.suspend:
        # Whatever it is for, and whether or not one can tell now what would be wanted.
        return tuple(_stop(job) for job in seen.jobs if job.owner == uid and _runs(job))
    if None in keys or _targets_unknown(seen):
        return ()
    wanted = {names.engine_place(seen.repository, key) for key in keys if key}
    unclear = {names.label_value(target.name) for target in found.unresolved}
    return tuple(
        _stop(job)
        for job in seen.jobs
        if job.owner == uid and _runs(job) and job.engine not in wanted and job.target not in unclear
    )


def _runs(job: Job) -> bool:
    return job.state is JobState.ACTIVE and not job.deleting


def _stop(job: Job) -> Delete:
    return Delete(JOB, job.namespace, job.name, job.uid, Why(ConditionType.OPTIMIZED))


def _once(actions: Iterable[object]) -> tuple[object, ...]:
    """Two targets of one hardware share a key, hence a Job: it is created (or deleted) once."""
    seen: dict[object, object] = {}
    for action in actions:
        seen.setdefault(_identity(action), action)
    return tuple(seen.values())


def _identity(action: object) -> object:
    if isinstance(action, CreateJob):
        return ("create", action.job["metadata"]["name"])
    if isinstance(action, Delete):
        return ("delete", action.uid)
    return id(action)


def _entries(seen: Observed, roads: Sequence[Road], found: Targets) -> tuple[TargetStatus, ...]:
    if _targets_unknown(seen):
        return seen.model.status.targets
    old = seen.model.status
    entries = [entry(road, old.target(road.target.name)) for road in roads]
    entries += [unresolved_entry(target, old.target(target.name)) for target in found.unresolved]
    return tuple(sorted(entries, key=lambda e: e.name))


def summarize(
    seen: Observed, decision: Decision, failures: Sequence[Failure], index: str | None
) -> OptimizedModelStatus:
    """The status after applying: each failed action speaks in the condition that it was done for.

    index: the reference of the index that was pushed just now, or None.
    """
    spoken = {verdict.type: verdict for verdict in decision.verdicts}
    if index is not None:
        spoken[ConditionType.PUBLISHED] = pushed(index)
    for failure in reversed(failures):
        spoken[failure.why.concern] = _told(failure)
    overall = ready(spoken.values(), suspended=seen.model.spec.suspend)
    generation = seen.model.metadata.generation
    judged = conditions([overall, *spoken.values()], seen.model.status.conditions, generation, seen.now)
    rollouts = [e.rollout for e in decision.entries if e.rollout]
    return OptimizedModelStatus(
        observed_generation=generation,
        conditions=judged,
        source_digest=digest_or_none(seen.resolved.source),
        calibration_digest=digest_or_none(seen.resolved.calibration),
        evaluation_digest=digest_or_none(seen.resolved.evaluation),
        targets=decision.entries,
        index=index or decision.index,
        # The scale subresource compares this with spec.serving.replicas, which counts per target.
        replicas=min((r.ready_replicas for r in rollouts), default=0),
        selector=f"{names.MODEL}={seen.model.name},app.kubernetes.io/component=server",
        summary=summary(decision.entries, decision.arrived),
    )


def _told(failure: Failure) -> Verdict:
    verdict = of_error(failure.why.concern, failure.error)
    prefix = f"{failure.why.target}: " if failure.why.target else ""
    return replace(verdict, message=prefix + verdict.message)
