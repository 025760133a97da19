"""Bugs in what serves: floor, traffic, full pools, canaries."""

from dataclasses import replace
from typing import Any

from burnish_operator import observe
from burnish_operator.api import ConditionType
from burnish_operator.decide import (
    keys,
    rollout,
    targets,
)
from burnish_operator.decide.rollout import beside, case, course, room, share, stable
from burnish_operator.plan import Delete, Why
from burnish_operator.ports import DEPLOYMENT
from burnish_operator.render import deployment, pod
from support.simulation.planting import plant

# Floor and traffic.


@plant(deployment, "_strategy")
def a_pod_goes_before_the_next_is_ready(_: Any) -> Any:
    return lambda strategy, **_: {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }


@plant(deployment, "_strategy")
def everything_is_recreated(_: Any) -> Any:
    return lambda strategy, **_: {"type": "Recreate"}


@plant(room, "is_tight")
def one_pod_more_is_waited_for_in_a_full_pool(_: Any) -> Any:
    return lambda found, rendered: False


@plant(room, "is_tight")
def a_pool_that_was_full_is_full_for_ever(right: Any) -> Any:
    def wrong(found: Any, rendered: Any) -> bool:
        stored = found.found.stable
        return bool(right(found, rendered) or (stored and not stored.surges))

    return wrong


@plant(room, "is_tight")
def the_only_pod_goes_where_there_is_no_room_for_two(right: Any) -> Any:
    def wrong(found: Any, rendered: Any) -> bool:
        return bool(right(found, rendered) or room.lacking(found))

    return wrong


@plant(room, "halts")
def nobody_looks_at_pods_that_wait(_: Any) -> Any:
    return lambda seen, found: False


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


@plant(share, "of_stable")
def stable_pods_stay_where_a_canary_needs_their_places(_: Any) -> Any:
    return lambda spec, canary, replicas: replicas


@plant(room, "is_needed_by")
def a_canary_waits_for_room_that_never_comes(_: Any) -> Any:
    return lambda found, canary: False


@plant(room, "is_needed_by")
def every_canary_takes_places(_: Any) -> Any:
    return lambda found, canary: not canary.in_place and found.target.replicas > 1


@plant(beside, "plan")
def a_canary_waits_for_pods_that_cannot_be_there(right: Any) -> Any:
    def wrong(found: Any, charted: Any) -> Any:
        canary, stored = found.found.canary, found.found.stable
        helps = canary is not None and canary.engine == charted.engine
        if helps and not stored.rolled_out(charted.engine, found.target.replicas):
            return tuple(action for action in right(found, charted) if not isinstance(action, Delete))
        return right(found, charted)

    return wrong
