"""Bugs, planted on purpose: each is one small wrong turn in the operator that the simulation must find."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from burnish_engine.errors import BurnishError
from burnish_operator import apply, observe, queue, reconcile
from burnish_operator.api import ConditionType
from burnish_operator.decide import (
    builds,
    conditions,
    failures,
    keys,
    model,
    publish,
    rollout,
    source,
    targets,
)
from burnish_operator.decide.rollout import beside, case, course, share, stable
from burnish_operator.plan import Delete, Why
from burnish_operator.ports import DEPLOYMENT
from burnish_operator.render import deployment, pod

Wrong = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class Mutation:
    """A function of `owner` in the place of the right one."""

    name: str
    owner: Any
    attribute: str
    wrong: Wrong

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The operator has the bug within."""
        right = getattr(self.owner, self.attribute)
        kept = self.owner.__dict__[self.attribute]
        setattr(self.owner, self.attribute, self.wrong(right))
        try:
            yield
        finally:
            setattr(self.owner, self.attribute, kept)


MUTATIONS: dict[str, Mutation] = {}


def plant(owner: Any, attribute: str) -> Callable[[Wrong], Wrong]:
    """Register a bug under the name of the function that makes it."""

    def register(wrong: Wrong) -> Wrong:
        MUTATIONS[wrong.__name__] = Mutation(wrong.__name__, owner, attribute, wrong)
        return wrong

    return register


# Jobs.


@plant(builds, "limits")
def as_many_jobs_as_there_are_engines(_: Any) -> Any:
    return lambda settings, target: ()


# Floor and traffic.


@plant(deployment, "_strategy")
def a_pod_goes_before_the_next_is_ready(_: Any) -> Any:
    return lambda strategy: {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }


@plant(deployment, "_strategy")
def everything_is_recreated(_: Any) -> Any:
    return lambda strategy: {"type": "Recreate"}


@plant(rollout, "prune")
def a_cordoned_class_loses_its_pods(_: Any) -> Any:
    def wrong(seen: Any, kept: set[str]) -> Any:
        found = [w for w in seen.deployments if w.owner == seen.model.metadata.uid and not w.deleting]
        alive = {t.name for t in targets.resolve(seen).resolved if t.nodes}
        why = Why(ConditionType.ROLLED_OUT)
        return tuple(
            Delete(DEPLOYMENT, seen.model.namespace, w.name, w.uid, why)
            for w in found
            if w.target not in alive
        )

    return wrong


@plant(rollout.course, "chart")
def the_first_engine_stays(right: Any) -> Any:
    def wrong(found: Any) -> Any:
        charted = right(found)
        return replace(charted, engine=found.served or charted.engine)

    return wrong


@plant(observe.Workload, "rolled_out")
def ready_while_old_pods_serve(_: Any) -> Any:
    return lambda self, engine, replicas: self.engine == engine and self.ready >= replicas


@plant(stable, "placed_as")
def an_older_engine_moves_to_other_hardware(_: Any) -> Any:
    return lambda target, found: target


@plant(pod, "placement")
def any_node_will_do(right: Any) -> Any:
    return lambda target: right(replace(target, match_labels={"kubernetes.io/arch": "amd64"}, absent=()))


@plant(keys, "target_facts")
def one_engine_for_every_class(right: Any) -> Any:
    return lambda target: {"kind": "cpu", "vendor": "AMD", "instance_type": "small"}


@plant(keys, "request_of")
def the_key_forgets_precisions(right: Any) -> Any:
    return lambda *facts: right(*facts).model_copy(update={"precisions": ()})


@plant(rollout, "is_new")
def another_build_is_trusted_unseen(_: Any) -> Any:
    return lambda seen, found: False


@plant(observe, "_outcome")
def every_last_word_is_success(right: Any) -> Any:
    def wrong(text: str) -> Any:
        said = right(text)
        return said.model_copy(update={"succeeded": True}) if said else None

    return wrong


# Canaries.


@plant(case.Case, "answers")
def a_new_engine_replaces_the_old_one_at_once(_: Any) -> Any:
    return property(lambda self: False)


@plant(share, "pods")
def a_canary_takes_more_than_its_share(right: Any) -> Any:
    return lambda weight, replicas: int(right(weight, replicas)) + 1


@plant(course, "of_engine")
def what_was_rejected_is_forgotten(_: Any) -> Any:
    return lambda memory, digest, key="": None


@plant(beside, "_removed")
def a_canary_stays_for_ever(_: Any) -> Any:
    return lambda found, charted: ()


# Builds.


@plant(apply.Applier, "_is_under_way")
def nobody_else_builds(_: Any) -> Any:
    return lambda self, job: False


@plant(builds, "_at_rest")
def a_build_starts_while_suspended(right: Any) -> Any:
    return lambda seen, *rest: right(replace(seen, model=_awake(seen.model)), *rest)


def _awake(found: Any) -> Any:
    return found.model_copy(update={"spec": found.spec.model_copy(update={"suspend": False})})


@plant(builds, "_engine")
def what_lies_in_the_registry_is_built_again(right: Any) -> Any:
    def wrong(seen: Any, key: str, jobs: Any, old: Any) -> Any:
        return right(seen, key, jobs, old) if jobs or old is None else None

    return wrong


@plant(model, "_superseded")
def every_running_job_is_superseded(right: Any) -> Any:
    return lambda seen, found, wanted: right(seen, replace(found, unresolved=()), {""})


@plant(failures, "_retry_at")
def an_eviction_is_for_ever(_: Any) -> Any:
    return lambda finished, reason, attempts: None


@plant(builds, "_holder")
def the_ended_job_keeps_its_name(_: Any) -> Any:
    return lambda seen, key: None


@plant(builds, "is_due")
def a_stalled_build_is_tried_for_ever(_: Any) -> Any:
    return lambda failure, now, annotation: True


# Status.


@plant(source, "pinned")
def a_digest_is_pinned_for_ever(right: Any) -> Any:
    def wrong(found: Any, role: str) -> Any:
        part = getattr(found.spec, role)
        return part and (part.digest or getattr(found.status, f"{role}_digest"))

    return wrong


@plant(reconcile, "_status_object")
def a_status_goes_to_whoever_has_the_name(right: Any) -> Any:
    def wrong(raw: Any, status: Any) -> Any:
        told = right(raw, status)
        told["metadata"].pop("resourceVersion")
        return told

    return wrong


@plant(conditions, "_condition")
def every_turn_is_a_transition(right: Any) -> Any:
    return lambda verdict, old, generation, now: right(verdict, None, generation, now)


@plant(model, "ready")
def ready_with_the_engines(right: Any) -> Any:
    def wrong(verdicts: Any, *, suspended: bool) -> Any:
        kept = [v for v in verdicts if v.type != "RolledOut"]
        done = next(v for v in verdicts if v.type == "Optimized")
        return right([*kept, replace(done, type=model.ConditionType.ROLLED_OUT)], suspended=suspended)

    return wrong


@plant(reconcile, "summarize")
def the_generation_that_is_told_lags(right: Any) -> Any:
    def wrong(seen: Any, *rest: Any) -> Any:
        return right(seen, *rest).model_copy(
            update={"observed_generation": max(1, seen.model.metadata.generation - 1)}
        )

    return wrong


@plant(publish, "decide")
def published_before_it_is_pushed(right: Any) -> Any:
    def wrong(seen: Any, engines: Any, *, complete: bool) -> Any:
        found = right(seen, engines, complete=complete)
        if not found.plan:
            return found
        [action] = found.plan
        index = f"{action.repository}:{action.tag}@sha256:{'0' * 64}"
        return replace(found, verdict=publish.pushed(index), index=index, plan=())

    return wrong


# The loop.


@plant(queue.Schedule, "wake")
def a_wake_while_it_works_is_lost(right: Any) -> Any:
    def wrong(self: Any, key: Any, at: float) -> None:
        if key not in self._busy:
            right(self, key, at)

    return wrong


@plant(queue.Schedule, "failed")
def a_failed_turn_is_not_tried_again(_: Any) -> Any:
    def wrong(self: Any, key: Any, now: float) -> float:
        self._busy.discard(key)
        return 0.0

    return wrong


@plant(reconcile.ModelReconciler, "_advance")
def nobody_looks_again(right: Any) -> Any:
    def wrong(self: Any, raw: Any, found: Any) -> float:
        right(self, raw, found)
        return 1e9

    return wrong


@plant(apply.Applier, "apply")
def the_first_failure_ends_the_plan_in_silence(right: Any) -> Any:
    def wrong(self: Any, plan: Any) -> Any:
        done = apply.Applied()
        try:
            for action in plan:
                self._do(action, done)
        except BurnishError:
            return done
        return done

    return wrong


@plant(pod, "metadata")
def objects_without_an_owner(right: Any) -> Any:
    def wrong(*arguments: Any) -> Any:
        found = right(*arguments)
        found.pop("ownerReferences")
        return found

    return wrong


@plant(builds, "render_job")
def a_job_is_named_after_its_attempt(right: Any) -> Any:
    def wrong(*arguments: Any, **options: Any) -> Any:
        found = right(*arguments, **options)
        found["metadata"]["name"] += f"-{options.get('attempt', 1)}"
        return found

    return wrong
