"""Rollouts: what serves goes on serving, and the status never says more than what is."""

from typing import Any

import pytest

from burnish_engine.errors import Action
from burnish_operator.decide.settling import FLAP_GRACE
from burnish_operator.names import ENGINE
from burnish_operator.ports import DEPLOYMENT, OPTIMIZED_MODEL, SERVICE
from fakes.fleet import NFD, SMALL, Fleet, failing, model, node


def fleet(**spec: Any) -> Fleet:
    found = Fleet(node("a", SMALL))
    found.cluster.put(model(**spec))
    return found


def engine(found: Fleet) -> str:
    [deployment] = found.cluster.of_kind(DEPLOYMENT)
    return str(deployment["spec"]["template"]["metadata"]["annotations"][ENGINE])


def change(found: Fleet, **spec: Any) -> None:
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec=spec)


def test_nothing_is_called_rolled_out_before_its_pods_are_ready() -> None:
    found = fleet()
    for _ in range(3):
        found.operate()
        found.control()
    found.operate()
    [deployment] = found.cluster.of_kind(DEPLOYMENT)
    found.patch(DEPLOYMENT, deployment["metadata"], status={"readyReplicas": 0})
    found.operate()
    assert found.condition("RolledOut") == ("False", "RollingOut")
    found.settle()
    assert found.condition("RolledOut") == ("True", "RolledOut")


def test_a_status_of_an_older_generation_is_not_believed() -> None:
    found = fleet()
    found.settle()
    [deployment] = found.cluster.of_kind(DEPLOYMENT)
    observed = deployment["metadata"]["generation"] - 1
    found.patch(DEPLOYMENT, deployment["metadata"], status={"observedGeneration": observed})
    found.operate()
    assert found.condition("RolledOut") == ("False", "RollingOut")


def test_a_failed_build_leaves_the_old_engine_serving() -> None:
    found = fleet()
    found.settle()
    before = engine(found)
    found.verdict = failing("AccuracyGate", Action.STALLED, 3)
    change(found, precisions=["FP32"])
    found.settle()
    assert engine(found) == before
    assert found.condition("Ready") == ("False", "AccuracyGate")
    assert found.condition("Degraded") == ("True", "AccuracyGate")
    [target] = found.status().targets
    assert target.engine is not None
    assert target.optimized is not None
    assert before.endswith(target.engine.digest)


def test_a_new_engine_replaces_the_old_one() -> None:
    found = fleet()
    found.settle()
    before = engine(found)
    change(found, precisions=["FP32"])
    found.settle()
    assert engine(found) != before
    assert found.condition("Ready") == ("True", "Ready")
    assert found.events.reasons().count("RolledOut") == 2


def test_what_is_rolled_out_is_asked_for_anew_and_what_serves_is_not() -> None:
    found = fleet()
    found.settle()
    asked = [each.split()[:2] for each in found.registry.asked if each.startswith("find")]
    assert asked[0] == ["find", "fresh"]
    found.registry.asked.clear()
    found.operate()
    assert [each for each in found.registry.asked if each.startswith("find fresh")] == []
    found.cluster.remove(("Deployment", "team", found.cluster.of_kind(DEPLOYMENT)[0]["metadata"]["name"]))
    found.operate()
    assert len([each for each in found.registry.asked if each.startswith("find fresh")]) == 1


def test_pods_that_never_become_ready_are_told() -> None:
    found = fleet()
    found.settle()
    found.rollouts_stuck = True
    change(found, precisions=["FP32"])
    found.settle()
    assert found.condition("RolledOut") == ("False", "ProgressDeadlineExceeded")
    assert found.condition("Degraded") == ("True", "ProgressDeadlineExceeded")
    found.rollouts_stuck = False
    found.settle()
    assert found.condition("Degraded") == ("False", "AsExpected")


def test_serving_may_be_off_and_engines_are_published_all_the_same() -> None:
    found = fleet(serving={"enabled": False})
    found.settle()
    assert found.cluster.of_kind(DEPLOYMENT) == []
    assert found.condition("RolledOut") == ("True", "ServingDisabled")
    assert found.condition("Ready") == ("True", "Ready")
    assert found.status().targets[0].state == "Published"


def test_serving_that_is_switched_off_goes() -> None:
    found = fleet()
    found.settle()
    change(found, serving={"enabled": False})
    found.settle()
    assert (found.cluster.of_kind(DEPLOYMENT), found.cluster.of_kind(SERVICE)) == ([], [])


def test_replicas_follow_the_spec_without_a_new_build() -> None:
    found = fleet()
    found.settle()
    change(found, serving={"replicas": 3})
    found.settle()
    assert found.cluster.of_kind(DEPLOYMENT)[0]["spec"]["replicas"] == 3
    assert found.status().replicas == 3
    assert len(found.cluster.created_jobs) == 1


def test_a_suspended_model_is_not_touched() -> None:
    found = fleet()
    found.settle()
    before = engine(found)
    change(found, suspend=True, serving={"replicas": 5}, precisions=["FP32"])
    found.settle()
    assert engine(found) == before
    assert found.cluster.of_kind(DEPLOYMENT)[0]["spec"]["replicas"] == 1


@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE])
def test_an_object_that_is_not_ours_is_never_taken(kind: Any) -> None:
    found = fleet()
    name = "pages-cpu-amd-25-17-small"
    raw = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": {}}
    found.cluster.put({**raw, "metadata": {"name": name, "namespace": "team"}})
    found.settle()
    assert found.condition("RolledOut") == ("False", "NameConflict")
    assert found.cluster.objects[kind.kind, "team", name]["spec"] == {}


def test_what_a_person_changes_in_our_fields_is_put_right() -> None:
    found = fleet()
    found.settle()
    [deployment] = found.cluster.of_kind(DEPLOYMENT)
    found.patch(DEPLOYMENT, deployment["metadata"], spec={"replicas": 7, "paused": False})
    found.settle()
    [deployment] = found.cluster.of_kind(DEPLOYMENT)
    assert (deployment["spec"]["replicas"], deployment["spec"]["paused"]) == (1, False)


def test_a_toleration_that_is_dropped_is_dropped_in_the_pods() -> None:
    tolerated = {"acceleratorClass": "cpu-amd-25-17-small", "tolerations": [{"operator": "Exists"}]}
    found = fleet(targets=[tolerated])
    found.settle()
    change(found, targets=[{"acceleratorClass": "cpu-amd-25-17-small"}])
    found.settle()
    assert "tolerations" not in found.cluster.of_kind(DEPLOYMENT)[0]["spec"]["template"]["spec"]


def test_an_older_engine_stays_on_the_hardware_that_it_was_built_for() -> None:
    """The labels of its nodes flap, and its target is another class for a while."""
    selector = {"node.kubernetes.io/instance-type": "small"}
    found = fleet(targets=[{"name": "chosen", "nodeSelector": selector}])
    found.settle()
    before = placement(found)
    bare = {key: value for key, value in SMALL.items() if not key.startswith(NFD)}
    found.cluster.replace(node("a", bare))
    found.operate()
    found.clock.time += FLAP_GRACE
    found.verdict = failing("AccuracyGate", Action.STALLED, 3)
    found.settle()
    assert found.status().targets[0].accelerator_class == "unknown-amd64-small"
    assert placement(found) == before
    found.verdict = found.succeed
    change(found, precisions=["FP32"])
    found.settle()
    assert placement(found) != before
    assert found.condition("Ready") == ("True", "Ready")


def placement(found: Fleet) -> Any:
    [deployment] = found.cluster.of_kind(DEPLOYMENT)
    return deployment["spec"]["template"]["spec"]["affinity"]
