"""People and Burnish on one AcceleratorClass, as the API server sees it: nobody overwrites anybody."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config
from light import ControlPlane

from burnish_operator.adapters.kubernetes import KubernetesCluster
from burnish_operator.inventory import InventoryReconciler
from burnish_operator.parts import SystemClock
from support import gpu_labels
from support.kubelets import Kubelets

pytestmark = pytest.mark.integration

CARD = gpu_labels.named("NVIDIA-L4")
NAME = "nvidia-l4"


@pytest.fixture
def cluster(crds: ControlPlane) -> Iterator[KubernetesCluster]:
    configuration = client.Configuration()
    config.load_kube_config(str(crds.kubeconfig), client_configuration=configuration)
    found = KubernetesCluster(configuration)
    yield found
    found._api.rest_client.pool_manager.clear()
    crds.kubectl("delete", "acceleratorclasses", "--all")


@pytest.fixture
def kubelets(crds: ControlPlane) -> Iterator[Kubelets]:
    with Kubelets(crds.kubeconfig) as found:
        found.add_node("l4-1", gpu_labels.whole(CARD))
        crds.kubectl("wait", "--for=condition=Ready", "node/l4-1", "--timeout=30s")
        yield found


@pytest.fixture
def inventory(cluster: KubernetesCluster, kubelets: Kubelets) -> InventoryReconciler:
    """An inventory that has looked at the node until there was nothing left to do."""
    found = InventoryReconciler(cluster, SystemClock())
    while found.reconcile() == 0.0:
        continue
    return found


def stored(crds: ControlPlane) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(crds.kubectl("get", "ac", NAME, "-o", "json", "--show-managed-fields"))
    return found


def people_apply(crds: ControlPlane, spec: dict[str, Any], *flags: str) -> None:
    """What a team's GitOps does: its own fields alone, by server-side apply."""
    manifest = {
        "apiVersion": "burnish.dev/v1alpha1",
        "kind": "AcceleratorClass",
        "metadata": {"name": NAME},
        "spec": spec,
    }
    crds.kubectl(
        "apply", "--server-side", "--field-manager=team", *flags, "-f", "-", stdin=json.dumps(manifest)
    )


def test_a_discovered_class_is_found_with_its_driver(
    crds: ControlPlane, inventory: InventoryReconciler
) -> None:
    found = stored(crds)
    assert found["spec"]["facts"]["product"] == "NVIDIA-L4"
    assert found["status"]["nodes"] == 1
    assert found["status"]["driverVersions"] == ["570.86.15"]


def test_people_add_price_and_defaults_without_force_and_keep_them(
    crds: ControlPlane, inventory: InventoryReconciler
) -> None:
    added = {
        "pricePerHour": {"amount": 0.71, "currency": "EUR"},
        "defaults": {"tolerations": [{"key": "dedicated", "operator": "Exists"}]},
        "scalesFromZero": True,
    }
    people_apply(crds, added)
    inventory.reconcile()
    inventory.reconcile()
    found = stored(crds)
    assert found["spec"].items() >= added.items()
    assert found["spec"]["match"]["matchLabels"]["nvidia.com/gpu.product"] == "NVIDIA-L4"
    managers = {entry["manager"] for entry in found["metadata"]["managedFields"]}
    assert managers == {"burnish", "team"}


def test_what_people_override_by_force_stays_theirs(
    crds: ControlPlane, inventory: InventoryReconciler
) -> None:
    override = {"resourceName": "example.com/l4", "facts": {"product": "L4 of ours"}}
    people_apply(crds, override, "--force-conflicts")
    for _ in range(3):
        inventory.reconcile()
    found = stored(crds)
    assert found["spec"]["resourceName"] == "example.com/l4"
    assert found["spec"]["facts"]["product"] == "L4 of ours"
    assert found["spec"]["facts"]["compute_major"] == "8"
    classes = json.loads(crds.kubectl("get", "ac", "-o", "json"))["items"]
    assert [one["metadata"]["name"] for one in classes].count(NAME) == len(classes) == 1


def test_an_inventory_at_rest_writes_nothing(crds: ControlPlane, inventory: InventoryReconciler) -> None:
    before = stored(crds)["metadata"]["resourceVersion"]
    for _ in range(3):
        assert inventory.reconcile() > 0
    assert stored(crds)["metadata"]["resourceVersion"] == before


def test_class_and_price_outlive_the_last_node(crds: ControlPlane, inventory: InventoryReconciler) -> None:
    people_apply(crds, {"pricePerHour": {"amount": 0.71}})
    crds.kubectl("label", "node", "l4-1", "nvidia.com/gpu.product-", "nvidia.com/gpu.count-")
    inventory.reconcile()
    found = stored(crds)
    assert found["spec"]["pricePerHour"]["amount"] == 0.71
    assert found["status"]["nodes"] == 0
    assert found["status"]["conditions"][0]["reason"] == "NoMatchingNodes"
    assert len(json.loads(crds.kubectl("get", "ac", "-o", "json"))["items"]) == 1
