"""Targets: what is asked for against what is there; one that is missing does not hold up the others."""

from typing import Any

from burnish_engine.errors import Action
from burnish_operator.decide.targets import resources_for
from burnish_operator.names import TARGET
from burnish_operator.ports import ACCELERATOR_CLASS, DEPLOYMENT, NODE, OPTIMIZED_MODEL, SERVICE
from fakes.fleet import H100, LARGE, SMALL, Fleet, failing, model, node

SMALL_CLASS, LARGE_CLASS = "cpu-amd-25-17-small", "cpu-amd-25-17-large"


def fleet(*targets: dict[str, Any], nodes: tuple[dict[str, Any], ...] = ()) -> Fleet:
    found = Fleet(*(nodes or (node("a", SMALL | {"pool": "gold"}), node("b", LARGE))))
    found.cluster.put(model(targets=list(targets)))
    return found


def names(found: Fleet) -> list[str]:
    return [target.name for target in found.status().targets]


def test_named_classes_and_no_others_are_built_for() -> None:
    found = fleet({"acceleratorClass": SMALL_CLASS})
    found.settle()
    assert (names(found), found.condition("Ready")) == ([SMALL_CLASS], ("True", "Ready"))


def test_a_target_that_is_not_there_is_told_and_the_others_proceed() -> None:
    found = fleet({"acceleratorClass": SMALL_CLASS}, {"acceleratorClass": "nvidia-l4"})
    found.settle()
    assert found.condition("TargetsResolved") == ("False", "NoSuchClass")
    assert found.condition("Ready") == ("False", "NoSuchClass")
    assert [t.state.value for t in found.status().targets] == ["Serving", "Pending"]
    assert found.condition("Published") == ("False", "WaitingForEngines")


def test_a_class_without_nodes_is_told_and_what_serves_stays() -> None:
    found = fleet({"acceleratorClass": SMALL_CLASS})
    found.settle()
    found.cluster.objects.pop(("Node", "", "a"))
    found.settle()
    assert found.condition("TargetsResolved") == ("False", "NoMatchingNodes")
    assert found.condition("Degraded") == ("True", "NoMatchingNodes")
    assert len(found.cluster.of_kind(DEPLOYMENT)) == 1


def test_nodes_are_chosen_by_their_labels() -> None:
    found = fleet({"name": "gold", "nodeSelector": {"pool": "gold"}})
    found.settle()
    [target] = found.status().targets
    assert (target.name, target.accelerator_class, target.state) == ("gold", SMALL_CLASS, "Serving")
    [deployment] = found.cluster.of_kind(DEPLOYMENT)
    [term] = deployment["spec"]["template"]["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    wanted = {e["key"]: e.get("values") for e in term["matchExpressions"]}
    assert wanted["pool"] == ["gold"]
    assert wanted["feature.node.kubernetes.io/cpu-model.id"] == ["17"]
    assert wanted["nvidia.com/gpu.product"] is None


def test_a_failure_is_remembered_while_the_nodes_are_away() -> None:
    found = fleet({"name": "gold", "nodeSelector": {"pool": "gold"}})
    found.verdict = failing("AccuracyGate", Action.STALLED, 3)
    found.settle()
    [job] = found.jobs()
    found.cluster.remove(("Job", "team", job["metadata"]["name"]))  # as its TTL does
    away = found.cluster.objects.pop(("Node", "", "a"))
    found.settle()
    assert found.condition("TargetsResolved") == ("False", "NoMatchingNodes")
    found.cluster.put(away)
    found.settle()
    assert found.condition("Ready") == ("False", "AccuracyGate")
    assert len(found.cluster.created_jobs) == 1


def test_nodes_of_two_kinds_are_no_target() -> None:
    nodes = (node("a", SMALL | {"pool": "x"}), node("b", LARGE | {"pool": "x"}))
    found = fleet({"name": "x", "nodeSelector": {"pool": "x"}}, nodes=nodes)
    found.settle()
    assert found.condition("TargetsResolved") == ("False", "MixedNodes")


def test_a_new_kind_of_hardware_is_built_for_by_itself() -> None:
    found = fleet(nodes=(node("a", SMALL),))
    found.settle()
    found.cluster.put(node("gpu", H100, allocatable={"nvidia.com/gpu": "8", "cpu": "64"}))
    found.settle()
    assert names(found) == [SMALL_CLASS, "nvidia-h100-80gb-hbm3"]
    gpu = next(d for d in found.cluster.of_kind(DEPLOYMENT) if "h100" in d["metadata"]["name"])
    pod = gpu["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"key": "nvidia.com/gpu", "operator": "Exists"} in pod["tolerations"]


def test_a_target_that_is_no_longer_asked_for_goes() -> None:
    found = fleet()
    found.settle()
    assert len(found.cluster.of_kind(DEPLOYMENT)) == 2
    found.cluster.update(
        OPTIMIZED_MODEL, "team", "pages", spec={"targets": [{"acceleratorClass": SMALL_CLASS}]}
    )
    found.settle()
    assert [d["metadata"]["name"] for d in found.cluster.of_kind(DEPLOYMENT)] == [f"pages-{SMALL_CLASS}"]
    assert len(found.cluster.of_kind(SERVICE)) == 1


def test_a_class_that_was_deleted_by_mistake_takes_no_answering_pod_with_it() -> None:
    found = fleet(nodes=(node("a", SMALL),))
    found.settle()
    found.cluster.objects.pop(("AcceleratorClass", "", SMALL_CLASS))
    found.models.reconcile("team", "pages")
    assert len(found.cluster.of_kind(DEPLOYMENT)) == 1
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")


def test_a_build_goes_on_while_its_node_is_cordoned() -> None:
    found = fleet()
    found.operate()
    found.operate()
    [job] = [j for j in found.jobs() if j["metadata"]["labels"][TARGET] == LARGE_CLASS]
    found.cluster.update(NODE, "", "b", spec={"unschedulable": True})
    found.operate()
    assert job["metadata"]["uid"] in [j["metadata"]["uid"] for j in found.jobs()]
    assert names(found) == [LARGE_CLASS, SMALL_CLASS]
    assert found.condition("TargetsResolved") == ("False", "NoMatchingNodes")


def test_without_the_right_to_see_classes_the_user_is_told_and_nothing_is_pruned() -> None:
    found = fleet()
    found.settle()
    found.cluster.unreadable.add("AcceleratorClass")
    found.models.reconcile("team", "pages")
    assert found.condition("TargetsResolved") == ("False", "Forbidden")
    assert len(found.cluster.of_kind(DEPLOYMENT)) == 2


def test_without_the_right_to_see_classes_a_node_selector_is_enough() -> None:
    found = fleet({"name": "gold", "nodeSelector": {"pool": "gold"}})
    found.cluster.unreadable |= {"AcceleratorClass", "Node"}
    for _ in range(4):
        found.models.reconcile("team", "pages")
        found.control()
    found.models.reconcile("team", "pages")
    assert found.condition("Ready") == ("True", "Ready")
    assert found.jobs()[0]["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]


def test_a_class_that_cannot_be_seen_ends_no_running_job() -> None:
    found = fleet({"acceleratorClass": SMALL_CLASS})
    found.settle(work=False)
    found.cluster.unreadable.add("AcceleratorClass")
    found.models.reconcile("team", "pages")
    assert len(found.jobs()) == 1


def test_resources_come_from_the_nearest_place() -> None:
    found = fleet(
        {"acceleratorClass": SMALL_CLASS, "resources": {"limits": {"cpu": "2"}}, "replicas": 3},
        {"acceleratorClass": LARGE_CLASS},
    )
    found.cluster.update(
        OPTIMIZED_MODEL, "team", "pages", spec={"serving": {"resources": {"limits": {"cpu": "3"}}}}
    )
    found.settle()
    limits = {
        d["metadata"]["name"]: (
            d["spec"]["replicas"],
            d["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"],
        )
        for d in found.cluster.of_kind(DEPLOYMENT)
    }
    assert limits == {f"pages-{SMALL_CLASS}": (3, "2"), f"pages-{LARGE_CLASS}": (1, "3")}
    jobs = [
        j["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] for j in found.jobs()
    ]
    assert sorted(jobs) == ["2", "3"]


def test_a_request_never_exceeds_its_limit() -> None:
    from burnish_operator.api import AcceleratorClass, ResourceRequirements

    accelerator = AcceleratorClass.from_dict(
        {"metadata": {"name": "x"}, "spec": {"match": {"matchLabels": {"a": "b"}}}}
    )
    asked = ResourceRequirements(requests={"cpu": "2", "memory": "1Gi"}, limits={"cpu": "1000m"})
    assert resources_for(asked, accelerator).requests == {"memory": "1Gi"}


def test_a_cordoned_node_costs_no_job_that_runs_on_it() -> None:
    found = fleet(nodes=(node("a", SMALL),))
    found.settle(work=False)
    [job] = found.jobs()
    found.cluster.update(NODE, "", "a", spec={"unschedulable": True})
    found.settle(work=False)
    assert found.jobs() == [job]
    assert found.condition("TargetsResolved") == ("False", "NoMatchingNodes")
    found.cluster.update(NODE, "", "a", spec={"unschedulable": False})
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")
    assert len(found.cluster.created_jobs) == 1


def test_labels_that_flap_cost_no_engine_and_make_no_class() -> None:
    found = fleet(nodes=(node("a", SMALL),))
    found.settle()
    labels = found.cluster.objects["Node", "", "a"]["metadata"].pop("labels")
    found.settle()
    assert len(found.cluster.of_kind(DEPLOYMENT)) == len(found.cluster.of_kind(ACCELERATOR_CLASS)) == 1
    found.cluster.objects["Node", "", "a"]["metadata"]["labels"] = labels
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")
    assert len(found.cluster.created_jobs) == 1


def test_a_class_that_scales_from_zero_gets_pods_without_a_node() -> None:
    found = fleet(nodes=(node("a", SMALL),))
    pool = {
        "match": {"matchLabels": {"pool": "gpu"}},
        "resourceName": "nvidia.com/gpu",
        "scalesFromZero": True,
    }
    found.cluster.put(
        {
            "apiVersion": "burnish.dev/v1alpha1",
            "kind": "AcceleratorClass",
            "metadata": {"name": "pool"},
            "spec": pool,
        }
    )
    found.settle()
    assert names(found) == [SMALL_CLASS, "pool"]
    assert found.condition("Ready") == ("True", "Ready")
    stored = found.cluster.objects["AcceleratorClass", "", "pool"]["status"]
    assert (stored["nodes"], stored["conditions"][0]["reason"]) == (0, "ScaledToZero")


def test_classes_that_cannot_be_seen_for_a_moment_make_no_other_hardware() -> None:
    found = fleet({"name": "gold", "nodeSelector": {"pool": "gold"}})
    found.settle()
    before = list(found.cluster.created_jobs)
    found.cluster.unreadable.add("AcceleratorClass")
    found.models.reconcile("team", "pages")
    found.models.reconcile("team", "pages")
    assert found.cluster.created_jobs == before
    assert found.condition("TargetsResolved") == ("False", "Forbidden")
    assert found.cluster.of_kind(DEPLOYMENT) != []
    found.cluster.unreadable.clear()
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")
    assert found.cluster.created_jobs == before
