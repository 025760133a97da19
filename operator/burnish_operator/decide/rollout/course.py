"""What the stable pods of a target should serve, which canary runs beside them, and what is remembered.

A canary that was only remembered now is not acted on yet: that is for the next turn, once it is written down.
"""

from dataclasses import dataclass, replace

from burnish_operator.api import CanaryPhase, CanaryStatus, EngineStatus, RejectedStatus
from burnish_operator.decide.conditions import timestamp
from burnish_operator.decide.rollout import room, steps, verbs
from burnish_operator.decide.rollout.case import Case, address
from burnish_operator.decide.rollout.rejection import of_engine, reject, sound, without
from burnish_operator.decide.rollout.state import Memory
from burnish_operator.decide.rollout.verbs import Verb


@dataclass(frozen=True)
class Obstacle:
    """Why the engine that is wanted is not rolled out: only a person can help."""

    reason: str
    message: str


@dataclass(frozen=True)
class Course:
    """`engine`: `oci://…` of the stable pods, "" for none. `canary`: what runs beside them; None: nothing."""

    engine: str
    memory: Memory
    canary: CanaryStatus | None = None
    obstacle: Obstacle | None = None


_BLIND = Obstacle(
    "NoPrometheus",
    "spec.rollout.analysis is to judge the new engine, and the operator knows no Prometheus. Set "
    "prometheus.url of the chart (BURNISH_PROMETHEUS_URL of the operator), leave analysis out, or promote "
    "the engine by hand. What served before goes on serving.",
)


def chart(case: Case) -> Course:
    """From what is wanted, there and remembered. An engine that is rejected is told, in the same turn too."""
    course = _chart(case)
    if case.wanted is None or course.obstacle is not None or course.memory.canary is not None:
        return course
    rejected = of_engine(course.memory, case.wanted.digest, case.wanted.key)
    return replace(course, obstacle=_obstacle(rejected)) if rejected else course


def _chart(case: Case) -> Course:
    wanted = case.wanted
    if wanted is None:
        return _without_engine(case)
    rejected = of_engine(case.memory, wanted.digest, wanted.key)
    verb = verbs.of_rejected(case.seen, rejected) if rejected else Verb.NONE
    if rejected and verb is Verb.NONE:
        engine = sound(case.memory, case.served) if case.served else address(rejected.stable)
        return Course(engine, replace(case.memory, canary=None))
    left = without(case.memory.rejected, wanted.digest, wanted.key)
    case = replace(case, memory=replace(case.memory, rejected=left))
    return _towards(case, wanted, at_once=verb is Verb.PROMOTE)


def _obstacle(rejected: RejectedStatus) -> Obstacle:
    return Obstacle(rejected.reason, f"{rejected.digest[:19]}… is not rolled out. {rejected.message}")


def _towards(case: Case, wanted: EngineStatus, *, at_once: bool) -> Course:
    stored = case.memory.canary
    stored = stored if stored and stored.digest == wanted.digest else None
    if not case.is_canary or (stored is None and (case.serves(wanted) or not case.answers)):
        return Course(address(wanted.reference), replace(case.memory, canary=None))
    if stored is not None:
        return _follow(case, stored)
    served = sound(case.memory, case.served)
    if case.is_blind and not at_once:
        return Course(served, replace(case.memory, canary=None), obstacle=_BLIND)
    return Course(served, replace(case.memory, canary=_begun(case, wanted, served, at_once=at_once)))


def _begun(case: Case, wanted: EngineStatus, served: str, *, at_once: bool) -> CanaryStatus:
    return CanaryStatus(
        digest=wanted.digest,
        reference=wanted.reference,
        key=wanted.key,
        stable=served.removeprefix(address("")),
        began=timestamp(case.seen.now),
        phase=CanaryPhase.PROMOTING if at_once else CanaryPhase.STEPPING,
    )


def _without_engine(case: Case) -> Course:
    """The engine is not built yet, or one cannot know: a canary of that very key goes on, and no further."""
    stored, served = case.memory.canary, sound(case.memory, case.served) if case.served else ""
    if stored is None or not case.is_canary or case.build.key not in (None, stored.key):
        return Course(served, replace(case.memory, canary=None))
    return _follow(case, stored)


def _follow(case: Case, canary: CanaryStatus) -> Course:
    engine = _engine_beside(case, canary)
    verb = verbs.of_canary(case.seen, canary.began)
    if verb is Verb.ABORT:
        memory = reject(case.seen, case.memory, canary, "Aborted", "A person aborted it.")
        return Course(engine, memory, canary)
    if canary.phase is CanaryPhase.PROMOTING:
        return Course(engine, _promoted(case, canary), canary)
    if verb is Verb.PROMOTE:
        promoting = canary.model_copy(update={"phase": CanaryPhase.PROMOTING})
        return Course(engine, replace(case.memory, canary=promoting), canary)
    if case.is_blind:
        return Course(engine, case.memory, canary, _BLIND)
    return Course(engine, steps.go_on(case, canary), canary)


def _engine_beside(case: Case, canary: CanaryStatus) -> str:
    """What the stable pods serve meanwhile. An engine that may be gone is not rolled out."""
    if canary.phase is CanaryPhase.PROMOTING and case.wanted is not None:
        return address(canary.reference)
    return sound(case.memory, case.served) if case.served else address(canary.stable)


def _promoted(case: Case, canary: CanaryStatus) -> Memory:
    """The stable pods get the engine: it is over once they all have it, or cannot have it."""
    stable = case.found.stable
    if stable is None or stable.engine != address(canary.reference):
        return case.memory
    if stable.rolled_out(stable.engine, case.target.replicas):
        return replace(case.memory, canary=None)
    if stable.stuck and stable.current:
        found = "It was promoted, and the pods that should get it do not become ready in time."
        return reject(case.seen, case.memory, canary, "PromotionStuck", found)
    if room.is_helped(case.found) and room.lacking(case):
        # What waits for a place gets the canary's: it is not there for ever.
        return replace(case.memory, canary=canary.model_copy(update={"in_place": True}))
    return case.memory
