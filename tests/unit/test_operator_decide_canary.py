"""Canaries: a share first, a step further only where all is well, and never twice what was rejected."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from burnish_operator import names
from burnish_operator.api import TargetState
from burnish_operator.ports import DEPLOYMENT, POD, SERVICE
from fakes.cluster import Killed
from fakes.fleet import SETTINGS, Fleet
from fakes.prometheus import GOOD
from support.canaries import (
    ANALYSIS,
    CANARY,
    DOWN,
    PEER,
    STABLE,
    STEPS,
    after,
    annotate,
    begun,
    canary,
    change,
    deployed,
    fleet,
    rejected,
)


def test_the_first_engine_is_rolled_out_directly() -> None:
    found = fleet()
    assert set(deployed(found)) == {STABLE}
    assert found.condition("Ready") == ("True", "Ready")


def test_a_new_engine_gets_a_share_and_the_old_one_stays_whole() -> None:
    found = fleet()
    old = deployed(found)[STABLE]
    begun(found)
    assert deployed(found)[STABLE] == old
    assert deployed(found)[CANARY] == (canary(found).digest, 1)
    assert canary(found).weight == 20
    assert found.condition("RolledOut") == ("False", "CanaryProgressing")
    assert found.status().targets[0].progress == "Canary at 20 %, step 1 of 2."
    assert found.status().targets[0].state == "RollingOut"


def test_canary_pods_are_behind_the_service_and_can_be_told_apart() -> None:
    found = begun(fleet())
    [service] = found.cluster.of_kind(SERVICE)
    for name, track in ((STABLE, "stable"), (CANARY, "canary")):
        labels = found.cluster.objects["Deployment", "team", name]["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        assert labels[names.TRACK] == track


def test_steps_are_taken_one_after_the_other_and_end_in_a_promotion() -> None:
    found = begun(fleet())
    new = canary(found).digest
    after(found, 60)
    assert canary(found).step == 2
    assert deployed(found)[CANARY] == (new, 4)
    after(found, 60)
    assert deployed(found) == {STABLE: (new, 4)}
    assert found.status().targets[0].canary is None
    assert found.condition("Ready") == ("True", "Ready")
    reasons = [r for r in found.events.reasons() if r.startswith("Canary")]
    assert reasons == ["CanaryStarted", "CanaryAdvanced", "CanaryPromoted"]


def test_the_canary_answers_until_the_stable_pods_have_its_engine() -> None:
    found = begun(fleet(steps=STEPS[:1]))
    found.clock.time += timedelta(seconds=60)
    found.operate()
    found.operate()
    engines = {engine for engine, _ in deployed(found).values()}
    assert engines == {canary(found).digest}
    assert CANARY in deployed(found)
    found.settle()
    assert CANARY not in deployed(found)


def test_with_an_analysis_a_step_needs_its_count_of_passes() -> None:
    found = begun(fleet(steps=STEPS[:1], analysis=ANALYSIS))
    after(found, 60)
    assert canary(found).analyses.passed == 1
    assert found.status().targets[0].progress == "Canary at 20 %, step 1 of 1, 1 of 2 analyses passed."
    after(found, 60)
    assert found.status().targets[0].canary is None
    assert len(found.prometheus.asked) == 2
    question = found.prometheus.asked[0]
    assert (question.namespace, question.model, question.window_seconds) == ("team", "pages", 60)
    assert question.canary == found.status().targets[0].engine.digest  # type: ignore[union-attr]


def test_prometheus_is_asked_only_when_an_analysis_is_due() -> None:
    found = begun(fleet(analysis=ANALYSIS))
    for _ in range(5):
        found.operate()
    after(found, 59)
    assert found.prometheus.asked == []
    after(found, 1)
    found.operate()
    assert len(found.prometheus.asked) == 1


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([replace(GOOD, canary_failed=200.0)], "AnalysisFailed"),
        ([replace(GOOD, canary_p99=0.013)], "AnalysisFailed"),
        ([replace(GOOD, canary_requests=None)] * 2, "AnalysisInconclusive"),
        ([DOWN] * 5, "AnalysisError"),
    ],
)
def test_an_engine_that_does_not_do_well_goes_and_the_old_one_stays(answers: list[Any], reason: str) -> None:
    found = fleet(analysis=ANALYSIS)
    old = deployed(found)
    begun(found)
    new = canary(found).digest
    for answer in answers:
        assert CANARY in deployed(found)
        found.prometheus.answer = answer
        after(found, 60)
    assert deployed(found) == old
    assert (rejected(found).digest, rejected(found).reason) == (new, reason)
    assert found.condition("RolledOut") == ("False", reason)
    assert found.condition("Degraded") == ("True", reason)
    found.prometheus.answer = GOOD
    after(found, 3600)
    assert deployed(found) == old
    assert found.events.reasons().count("CanaryRejected") == 1
    text = found.metrics.registry.get_sample_value("burnish_rollbacks_total", {"reason": reason})
    assert text == 1.0


def test_errors_count_only_in_a_row() -> None:
    found = begun(fleet(analysis=ANALYSIS | {"consecutiveErrorLimit": 1, "count": 9}))
    for answer in (DOWN, GOOD, DOWN, GOOD, DOWN):
        found.prometheus.answer = answer
        after(found, 60)
    assert canary(found).analyses.errors == 1
    assert canary(found).analyses.passed == 2


def test_without_a_prometheus_nothing_is_rolled_out_blindly() -> None:
    found = fleet(analysis=ANALYSIS)
    found.settings = SETTINGS.model_copy(update={"prometheus_url": ""})
    found.restart()
    old = deployed(found)
    begun(found)
    after(found, 3600)
    assert deployed(found) == old
    assert found.condition("RolledOut") == ("False", "NoPrometheus")
    annotate(found, names.PROMOTE)
    after(found, 1)
    assert deployed(found) == old, "there is no canary that it could be about"
    change(found, rollout={"analysis": None})
    found.settle()
    assert CANARY in deployed(found)


def test_a_newer_engine_replaces_the_canary_from_the_first_step() -> None:
    found = begun(fleet())
    first = canary(found).digest
    after(found, 60)
    change(found, precisions=["INT8"])
    found.settle()
    assert canary(found).digest != first
    assert canary(found).step == 1
    assert deployed(found)[CANARY] == (canary(found).digest, 1)


def test_going_back_to_what_serves_ends_the_canary() -> None:
    found = fleet()
    old = deployed(found)
    begun(found)
    change(found, precisions=["FP32", "BF16", "INT8"])
    found.settle()
    assert deployed(found) == old
    assert found.condition("Ready") == ("True", "Ready")
    assert found.status().targets[0].rejected is None


def test_an_engine_that_was_rejected_is_remembered_across_others() -> None:
    found = fleet()
    old = deployed(found)
    begun(found)
    annotate(found, names.ABORT)
    found.settle()
    change(found, precisions=["FP32", "BF16", "INT8"])
    found.settle()
    change(found, precisions=["FP32"])
    after(found, 600)
    assert deployed(found) == old


@pytest.mark.parametrize(
    ("waits", "reason"),
    [
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CanaryCrashes"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
            "CanaryUnschedulable",
        ),
        ({}, "CanaryNotReady"),
    ],
)
def test_pods_that_do_not_answer_are_given_up_after_a_while(waits: dict[str, Any], reason: str) -> None:
    found = fleet()
    old = deployed(found)
    change(found, precisions=["FP32"])
    while found.status().targets[0].canary is None:
        found.operate()
        found.control()
    found.broken = {f"oci://{canary(found).reference}"}
    found.settle()
    pod = found.cluster.objects["Deployment", "team", CANARY]["spec"]["template"]["metadata"]
    metadata = {"name": "canary-1", "namespace": "team", "labels": pod["labels"]}
    found.cluster.put({"apiVersion": "v1", "kind": POD.kind, "metadata": metadata, "status": waits})
    after(found, 599)
    assert CANARY in deployed(found)
    after(found, 1)
    assert deployed(found) == old
    assert rejected(found).reason == reason


def test_a_promotion_that_gets_stuck_is_undone() -> None:
    found = fleet(steps=STEPS[:1])
    old = deployed(found)
    begun(found)
    found.clock.time += timedelta(seconds=60)
    found.operate()
    found.operate()
    found.rollouts_stuck = True
    found.control()
    found.operate()
    found.rollouts_stuck = False
    found.settle()
    assert deployed(found) == old
    assert rejected(found).reason == "PromotionStuck"


def test_another_strategy_ends_the_canary_and_rolls_out() -> None:
    found = begun(fleet())
    new = canary(found).digest
    change(found, rollout={"strategy": "InPlace", "steps": None})
    found.settle()
    assert deployed(found) == {STABLE: (new, 4)}


def test_serving_that_is_switched_off_takes_the_canary_with_it() -> None:
    found = begun(fleet())
    change(found, serving={"enabled": False})
    found.settle()
    assert found.cluster.of_kind(DEPLOYMENT) == []
    assert found.status().targets[0].canary is None


def test_a_suspended_model_does_not_say_that_the_canarys_engine_serves() -> None:
    found = begun(fleet())
    change(found, suspend=True)
    found.settle()
    assert found.status().targets[0].state is TargetState.ROLLING_OUT
    assert found.condition("RolledOut") == ("False", "CanaryProgressing")
    assert found.condition("Ready")[0] == "False"


def test_a_suspended_model_keeps_its_canary_as_it_is() -> None:
    found = begun(fleet())
    before = deployed(found)
    change(found, suspend=True)
    after(found, 3600)
    assert deployed(found) == before
    assert canary(found).step == 1


def test_answers_are_compared_with_the_stable_pods_where_that_is_asked() -> None:
    found = begun(fleet(analysis=ANALYSIS | {"minAgreement": 0.99}))
    pod = found.cluster.objects["Deployment", "team", CANARY]["spec"]["template"]["spec"]
    arguments = pod["containers"][0]["args"]
    assert arguments[-4:] == ["--shadow", f"http://{PEER}:8080", "--shadow-share", "1"]
    peer = found.cluster.objects["Service", "team", PEER]
    assert peer["spec"]["selector"][names.TRACK] == "stable"
    found.cluster.update(SERVICE, "team", PEER, spec={"clusterIP": "fd00::7"})
    found.settle()
    pod = found.cluster.objects["Deployment", "team", CANARY]["spec"]["template"]["spec"]
    assert "http://[fd00::7]:8080" in pod["containers"][0]["args"]
    annotate(found, names.ABORT)
    found.settle()
    assert ("Service", "team", PEER) not in found.cluster.objects


def test_a_deployment_of_somebody_else_is_not_taken_for_the_canary() -> None:
    found = fleet()
    stranger = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1}}
    stranger["metadata"] = {"name": CANARY, "namespace": "team"}
    found.cluster.put(stranger)
    change(found, precisions=["FP32"])
    found.settle()
    assert found.condition("RolledOut") == ("False", "NameConflict")
    assert found.cluster.objects["Deployment", "team", CANARY]["spec"] == {"replicas": 1}


def test_killed_before_any_write_the_canary_ends_the_same() -> None:
    undisturbed = begun(fleet(analysis=ANALYSIS))
    _run(undisturbed)
    for death in range(len(undisturbed.cluster.writes)):
        killed = fleet(analysis=ANALYSIS)
        first = len(killed.cluster.writes)
        if first + death >= len(undisturbed.cluster.writes):
            break
        killed.cluster.die_at = first + death
        try:
            begun(killed)
            _run(killed)
        except Killed:
            killed.cluster.die_at = None
            killed.restart()
            killed.settle()
            _run(killed)
        assert deployed(killed) == deployed(undisturbed), f"killed before write {first + death}"


def _run(found: Fleet) -> None:
    for _ in range(6):
        after(found, 60)


def test_one_pod_has_a_canary_too() -> None:
    found = begun(fleet(replicas=1))
    assert deployed(found)[CANARY][1] == 1
    assert canary(found).weight == 50


def test_a_model_that_is_scaled_to_nothing_has_no_canary() -> None:
    found = begun(fleet())
    new = canary(found).digest
    change(found, serving={"replicas": 0})
    found.settle()
    assert deployed(found) == {STABLE: (new, 0)}
