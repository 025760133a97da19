"""Status at a real API server: written onto the object that was read, or not at all."""

from pathlib import Path
from typing import Any

import pytest
from kubernetes import config
from kubernetes.client import Configuration
from light import ControlPlane

from burnish_engine.errors import BurnishError
from burnish_operator.adapters.kubernetes import KubernetesCluster
from burnish_operator.errors import ClusterConflict
from burnish_operator.ports import OPTIMIZED_MODEL
from fakes.fleet import model

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster(crds: ControlPlane) -> KubernetesCluster:
    configuration = Configuration()
    config.load_kube_config(str(Path(crds.kubeconfig)), client_configuration=configuration)
    return KubernetesCluster(configuration)


def status_of(stored: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: stored["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    head = {"apiVersion": stored["apiVersion"], "kind": stored["kind"], "metadata": metadata}
    return {**head, "status": {"observedGeneration": 1}}


def test_a_status_for_the_version_that_was_read_is_taken(cluster: KubernetesCluster, namespace: str) -> None:
    stored = cluster.create(model(namespace=namespace))
    cluster.apply_status(status_of(stored))
    found = cluster.get(OPTIMIZED_MODEL, namespace, "pages")
    assert found is not None
    assert found["status"]["observedGeneration"] == 1


def test_a_status_of_an_object_that_was_made_anew_is_refused(
    cluster: KubernetesCluster, namespace: str
) -> None:
    stored = cluster.create(model(namespace=namespace))
    cluster.delete(OPTIMIZED_MODEL, namespace, "pages", stored["metadata"]["uid"])
    cluster.create(model(namespace=namespace))
    with pytest.raises(ClusterConflict):
        cluster.apply_status(status_of(stored))
    found = cluster.get(OPTIMIZED_MODEL, namespace, "pages")
    assert found is not None
    assert "status" not in found


def test_a_status_of_an_object_that_is_gone_is_refused(cluster: KubernetesCluster, namespace: str) -> None:
    stored = cluster.create(model(namespace=namespace))
    cluster.delete(OPTIMIZED_MODEL, namespace, "pages", stored["metadata"]["uid"])
    with pytest.raises(BurnishError):
        cluster.apply_status(status_of(stored))
    assert cluster.get(OPTIMIZED_MODEL, namespace, "pages") is None
