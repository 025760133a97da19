"""Rollouts in a pool without an accelerator to spare: they go on, or tell at once why they cannot."""

from typing import Any

import pytest

from burnish_operator.ports import NODE, POD
from fakes.fleet import Fleet
from support.full_pools import (
    SAYS,
    SURGES,
    TIGHT,
    bounds,
    change,
    deployment,
    fleet,
    full,
    now,
    says,
    turn,
    upgraded,
    waits,
)


def listing(found: Fleet, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kinds that are listed from now on, as far as they are pods that serve."""
    asked: list[str] = []
    find = found.cluster.find

    def listed(kind: Any, namespace: str = "", labels: Any = None, **how: Any) -> Any:
        if kind is POD and "app.kubernetes.io/component" in (labels or {}):
            asked.append(kind.kind)
        return find(kind, namespace, labels, **how)

    monkeypatch.setattr(found.cluster, "find", listed)
    return asked


def test_two_pods_are_replaced_one_at_a_time_where_there_is_no_room_for_a_third() -> None:
    found = full(2)
    assert turn(found) == 15
    turn(found, 14)
    assert bounds(found) == SURGES
    turn(found, 1)
    assert bounds(found) == TIGHT
    assert found.condition("RolledOut") == ("False", "RollingOut")


def test_a_pod_that_has_waited_for_a_moment_may_wait_for_one_that_drains() -> None:
    found = upgraded(fleet(2))
    says(found, 3, 1, 2)
    found.clock.time = found.clock.time.replace(minute=found.clock.time.minute + 1)
    assert turn(found) == 15, "no pod is there yet"
    waits(found)
    assert turn(found, 14) == 1
    assert bounds(found) == SURGES
    turn(found, 1)
    assert bounds(found) == TIGHT


def test_one_at_a_time_stays_until_all_are_replaced_and_then_goes() -> None:
    found = full(2)
    turn(found, 15)
    found.cluster.remove(("Pod", "team", "new"))
    for counts in ((2, 1, 1), (2, 1, 2), (2, 2, 1)):
        says(found, *counts)
        turn(found, 1)
        assert bounds(found) == TIGHT
        assert "one at a time" in str(found.status().targets[0].progress)
    says(found, 2, 2, 2)
    turn(found, 1)
    assert bounds(found) == SURGES
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")
    written = len(found.cluster.writes)
    turn(found, 300)
    assert len(found.cluster.writes) == written


def test_going_back_in_a_full_pool_is_a_rollout_like_any_other() -> None:
    found = full(2)
    first = found.jobs()[0]["metadata"]["annotations"]["burnish.dev/engine-key"]
    turn(found, 15)
    found.cluster.remove(("Pod", "team", "new"))
    change(found, precisions=["FP32", "BF16", "INT8"])
    turn(found)
    assert found.status().targets[0].engine.key == first  # type: ignore[union-attr]
    assert bounds(found) == SURGES
    says(found, 3, 2, 2)
    waits(found, "old-again")
    turn(found, 15)
    assert bounds(found) == TIGHT


def test_an_only_pod_stays_and_why_is_told_at_once() -> None:
    found = full(1)
    turn(found, 15)
    assert bounds(found) == SURGES
    assert found.condition("RolledOut") == ("False", "NoRoom")
    assert found.condition("Degraded") == ("True", "NoRoom")
    told = str(found.status().targets[0].progress)
    for part in (f"pod new: Unschedulable: {SAYS}.", "goes on serving", "one accelerator more", "Recreate"):
        assert part in told
    found.settle()
    assert found.condition("Ready") == ("True", "Ready"), "there is room now"


def test_an_only_pod_without_room_for_another_is_not_stuck_after_the_deadline() -> None:
    found = full(1)
    turn(found, 15)
    late = {"status": "False", "message": "timed out progressing."}
    says(found, 2, 1, 1, progress=late)
    assert turn(found) == 300
    assert found.condition("RolledOut") == ("False", "NoRoom")


def test_a_pool_that_is_too_small_for_all_replicas_is_told_in_the_end() -> None:
    found = full(2)
    turn(found, 15)
    late = {"status": "False", "message": "timed out progressing."}
    says(found, 2, 1, 1, progress=late)
    turn(found)
    assert found.condition("RolledOut") == ("False", "NoRoom")
    assert "as many accelerators as there are replicas" in str(found.status().targets[0].progress)


def test_an_only_pod_that_answers_no_more_is_no_reason_to_wait() -> None:
    found = full(1)
    silent = {"type": "Available", "status": "False", "lastTransitionTime": now(found)}
    says(found, 2, 1, 0, silent=silent)
    turn(found, 15)
    assert bounds(found) == SURGES, "it may come back"
    assert turn(found) == 45
    turn(found, 45)
    assert bounds(found) == TIGHT
    says(found, 2, 1, 0)
    turn(found)
    assert bounds(found) == TIGHT


def test_an_only_pod_that_is_left_of_two_stays() -> None:
    found = full(2)
    turn(found, 15)
    change(found, serving={"replicas": 1})
    turn(found)
    assert bounds(found) == SURGES


def test_a_pod_of_another_engine_says_nothing_of_the_new_one() -> None:
    found = upgraded(fleet(2))
    says(found, 3, 1, 2)
    waits(found, engine="oci://r.example/engines@sha256:0")
    turn(found, 60)
    assert bounds(found) == SURGES


def test_pods_that_wait_for_other_reasons_are_not_without_room() -> None:
    found = full(2)
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
    found.cluster.update(POD, "team", "new", status={"conditions": conditions})
    turn(found, 60)
    assert bounds(found) == SURGES


def test_where_no_node_takes_pods_none_is_taken_away() -> None:
    found = full(2)
    found.cluster.update(NODE, "", "a", spec={"unschedulable": True})
    found.inventory.reconcile()
    turn(found, 60)
    assert bounds(found) == SURGES


def test_first_pods_and_pods_at_rest_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    found = fleet(2)
    asked = listing(found, monkeypatch)
    turn(found, 300)
    says(found, 2, 2, 0)
    assert turn(found, 300) == 300
    assert asked == []


def test_a_rollout_that_comes_further_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    found = upgraded(fleet(2))
    asked = listing(found, monkeypatch)
    says(found, 3, 1, 2)
    turn(found, 14)
    assert asked == []
    turn(found, 1)
    assert len(asked) == 1


def test_pods_that_are_placed_need_time_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = full(2)
    asked = listing(found, monkeypatch)
    found.cluster.update(POD, "team", "new", spec={"nodeName": "a"}, status={"conditions": []})
    assert turn(found, 15) == 300
    assert len(asked) == 1


def test_what_is_recreated_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    found = upgraded(fleet(1, rollout={"strategy": "Recreate"}))
    asked = listing(found, monkeypatch)
    says(found, 2, 1, 1)
    waits(found)
    assert turn(found, 60) == 300
    assert deployment(found)["spec"]["strategy"] == {"type": "Recreate"}
    assert asked == []
