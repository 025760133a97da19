"""Canaries in a pool without an accelerator to spare: they take places of stable pods, and give them back."""

from datetime import timedelta

import pytest

from burnish_operator import names
from burnish_operator.api import CanaryPhase, CanaryStatus, Rollout
from burnish_operator.decide.rollout import share
from burnish_operator.ports import DEPLOYMENT
from fakes.fleet import Fleet
from support import canaries
from support.canaries import CANARY, STABLE, STEPS, annotate, canary, change, deployed, rejected
from support.full_pools import SAYS, SURGES, TIGHT, now, says, turn, waits


def started(replicas: int = 4) -> Fleet:
    """With a canary whose only pod waits since now; the stable pods are as they were."""
    found = canaries.fleet(replicas)
    change(found, precisions=["FP32"])
    found.operate()
    while CANARY not in deployed(found):
        found.control()
        found.operate()
    found.operate()
    waits(found, "first", CANARY)
    return found


def in_place(replicas: int = 4) -> Fleet:
    """With the canary in the place of a stable pod, and all that is wanted ready."""
    found = started(replicas)
    turn(found, 15)
    found.cluster.remove(("Pod", "team", "first"))
    found.settle()
    return found


def strategy(found: Fleet, name: str) -> object:
    return found.cluster.objects["Deployment", "team", name]["spec"]["strategy"]["rollingUpdate"]


def sizes(found: Fleet) -> dict[str, int]:
    return {name: count for name, (_, count) in deployed(found).items()}


def test_a_canary_without_room_takes_the_place_of_a_stable_pod() -> None:
    found = started()
    assert turn(found, 14) == 1
    assert not canary(found).in_place
    assert turn(found, 1) == 0.0
    assert canary(found).in_place
    assert sizes(found) == {STABLE: 4, CANARY: 1}, "what is decided is written down first"
    turn(found)
    assert sizes(found) == {STABLE: 3, CANARY: 1}
    assert strategy(found, CANARY) == TIGHT
    found.cluster.remove(("Pod", "team", "first"))
    found.settle()
    assert canary(found).weight == 25
    assert found.condition("RolledOut") == ("False", "CanaryProgressing")


def test_the_share_is_one_of_all_replicas_then() -> None:
    found = in_place()
    canaries.after(found, 60)
    assert canary(found).step == 2
    assert sizes(found) == {STABLE: 2, CANARY: 2}
    assert canary(found).weight == 50


@pytest.mark.parametrize(
    ("weight", "replicas", "canary_pods", "stable_pods"),
    [(50, 2, 1, 1), (20, 2, 1, 1), (50, 3, 1, 2), (50, 5, 2, 3), (20, 10, 2, 8), (1, 4, 1, 3), (50, 1, 1, 1)],
)
def test_pods_of_both_sides_in_place(weight: int, replicas: int, canary_pods: int, stable_pods: int) -> None:
    spec = Rollout.model_validate({"strategy": "Canary", "steps": [{"weight": weight, "pause": "1m"}]})
    status = CanaryStatus(
        digest="d", reference="r@d", key="k", stable="r@s", began="2026-05-04T10:00:00Z", in_place=True
    )
    assert share.of_canary(spec, status, replicas) == canary_pods
    assert share.of_stable(spec, status, replicas) == stable_pods
    promoting = status.model_copy(update={"phase": CanaryPhase.PROMOTING})
    assert share.of_stable(spec, promoting, replicas) == replicas


def test_a_new_process_knows_where_the_canary_is() -> None:
    found = in_place()
    found.restart()
    written = len(found.cluster.writes)
    found.operate()
    assert len(found.cluster.writes) == written


def test_a_promotion_gives_all_places_to_the_stable_pods_at_once() -> None:
    found = in_place()
    new = canary(found).digest
    canaries.after(found, 60)
    found.clock.time += timedelta(seconds=60)
    turn(found)
    assert canary(found).phase is CanaryPhase.PROMOTING
    turn(found)
    assert deployed(found) == {STABLE: (new, 4)}
    found.settle()
    assert found.status().targets[0].canary is None
    assert found.condition("Ready") == ("True", "Ready")


def test_an_abort_gives_the_places_back() -> None:
    found = in_place()
    old = deployed(found)[STABLE][0]
    annotate(found, names.ABORT)
    found.settle()
    assert deployed(found) == {STABLE: (old, 4)}
    assert rejected(found).reason == "Aborted"


def test_a_newer_engine_begins_beside_the_stable_pods_again() -> None:
    found = in_place()
    change(found, precisions=["INT8"])
    found.settle()
    assert not canary(found).in_place
    assert sizes(found) == {STABLE: 4, CANARY: 1}


def test_beside_an_only_pod_it_waits_and_says_what_helps() -> None:
    found = started(1)
    old = deployed(found)[STABLE]
    turn(found, 15)
    assert found.condition("RolledOut") == ("False", "NoRoom")
    told = str(found.status().targets[0].progress)
    for part in (f"Unschedulable: {SAYS}.", "goes on serving", "one accelerator more", "Recreate"):
        assert part in told
    assert sizes(found) == {STABLE: 1, CANARY: 1}
    turn(found, 585)
    assert rejected(found).reason == "CanaryUnschedulable"
    assert "one accelerator more" in rejected(found).message
    found.settle()
    assert deployed(found) == {STABLE: old}


def test_a_canary_gives_way_where_the_stable_pods_wait_for_its_place() -> None:
    """Promoted beside an only pod, in a pool for two."""
    found = canaries.begun(canaries.fleet(1, steps=STEPS[:1]))
    new = canary(found).digest
    found.clock.time += timedelta(seconds=60)
    turn(found)
    turn(found)
    assert deployed(found) == {STABLE: (new, 1), CANARY: (new, 1)}
    says(found, 2, 1, 1)
    waits(found)
    assert turn(found, 15) == 0.0
    assert canary(found).in_place
    turn(found)
    assert deployed(found) == {STABLE: (new, 1)}
    assert strategy(found, STABLE) == SURGES
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")


def test_a_canary_that_is_left_goes_for_stable_pods_that_wait() -> None:
    """Another strategy in the midst: nothing remembers that there was no room."""
    found = in_place()
    new = canary(found).digest
    change(found, rollout={"strategy": "InPlace", "steps": None})
    turn(found)
    assert deployed(found) == {STABLE: (new, 4), CANARY: (new, 1)}
    says(found, 5, 2, 3)
    waits(found)
    assert turn(found) == 15
    turn(found, 15)
    assert deployed(found) == {STABLE: (new, 4)}
    assert strategy(found, STABLE) == SURGES


def test_stable_pods_are_not_short_while_the_canary_is_on_its_way_out() -> None:
    found = in_place()
    change(found, rollout={"strategy": "InPlace", "steps": None})
    turn(found)
    says(found, 5, 2, 3)
    waits(found)
    found.cluster.update(DEPLOYMENT, "team", CANARY, metadata={"deletionTimestamp": now(found)})
    turn(found, 15)
    assert strategy(found, STABLE) == SURGES
    assert found.condition("RolledOut") == ("False", "RollingOut")
