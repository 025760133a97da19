"""What a person says about a canary: pause, promote, abort, try again."""

from dataclasses import replace
from datetime import timedelta

from burnish_operator import names
from burnish_operator.api import CanaryPhase, TargetState
from fakes.prometheus import GOOD
from support.canaries import (
    ANALYSIS,
    CANARY,
    DOWN,
    STABLE,
    after,
    annotate,
    begun,
    canary,
    change,
    deployed,
    fleet,
    rejected,
)


def test_a_paused_canary_stays_where_it_is() -> None:
    found = begun(fleet())
    change(found, rollout={"paused": True})
    after(found, 3600)
    assert canary(found).step == 1
    assert found.condition("RolledOut") == ("False", "CanaryPaused")
    change(found, rollout={"paused": False})
    after(found, 0)
    assert canary(found).step == 2


def test_a_paused_canary_goes_all_the_same_if_it_fails() -> None:
    found = begun(fleet(analysis=ANALYSIS, paused=True))
    found.prometheus.answer = DOWN
    for _ in range(9):
        after(found, 60)
    assert canary(found).analyses.errors == 0
    found.prometheus.answer = replace(GOOD, canary_failed=900.0)
    after(found, 60)
    assert rejected(found).reason == "AnalysisFailed"


def test_a_person_promotes() -> None:
    found = begun(fleet())
    new = canary(found).digest
    after(found, 5)
    annotate(found, names.PROMOTE)
    found.settle()
    assert deployed(found) == {STABLE: (new, 4)}
    change(found, precisions=["INT8"])
    found.settle()
    assert CANARY in deployed(found), "the next engine was not meant"


def test_a_person_aborts_and_later_thinks_otherwise() -> None:
    found = fleet()
    old = deployed(found)
    begun(found)
    new = canary(found).digest
    after(found, 5)
    annotate(found, names.ABORT)
    found.settle()
    assert deployed(found) == old
    assert rejected(found).reason == "Aborted"
    after(found, 5)
    annotate(found, names.RETRY)
    found.settle()
    assert (canary(found).digest, canary(found).step) == (new, 1)
    assert found.status().targets[0].rejected is None


def test_the_turn_that_rejects_an_engine_does_not_say_that_it_serves() -> None:
    found = begun(fleet())
    after(found, 5)
    annotate(found, names.ABORT)
    found.operate()
    assert rejected(found).reason == "Aborted"
    assert found.condition("RolledOut") == ("False", "Aborted")
    assert found.status().targets[0].state is not TargetState.SERVING


def test_a_rejected_engine_can_be_promoted_as_it_is() -> None:
    found = begun(fleet())
    new = canary(found).digest
    annotate(found, names.ABORT)
    found.settle()
    after(found, 5)
    annotate(found, names.PROMOTE)
    found.settle()
    assert deployed(found) == {STABLE: (new, 4)}


def test_an_abort_in_the_midst_of_a_promotion_brings_the_old_engine_back() -> None:
    found = fleet()
    old = deployed(found)
    begun(found)
    annotate(found, names.PROMOTE)
    after(found, 5)
    annotate(found, names.PROMOTE)
    found.operate()
    found.operate()
    assert canary(found).phase is CanaryPhase.PROMOTING
    assert deployed(found)[STABLE] != old[STABLE]
    found.clock.time += timedelta(seconds=5)
    annotate(found, names.ABORT)
    found.settle()
    assert deployed(found) == old
