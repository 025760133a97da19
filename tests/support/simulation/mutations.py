"""Bugs, planted on purpose: each is one small wrong turn in the operator that the simulation must find."""

from dataclasses import replace
from typing import Any

from burnish_engine.errors import BurnishError
from burnish_operator import apply, queue, reconcile
from burnish_operator.decide import (
    builds,
    conditions,
    failures,
    model,
    publish,
    source,
)
from burnish_operator.render import pod
from support.simulation import mutations_rollout
from support.simulation.planting import MUTATIONS, plant

__all__ = ["MUTATIONS", "mutations_rollout"]


# Jobs.


@plant(builds, "limits")
def as_many_jobs_as_there_are_engines(_: Any) -> Any:
    return lambda settings, target: ()


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
