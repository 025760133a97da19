"""Whatever is deleted, and whoever is deleted first: nothing stays Terminating, nothing of ours is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from light import ControlPlane

from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from support.kubelets import Kubelets, cpu_labels
from support.operator_process import OperatorProcess
from support.team import Team, wait_for

pytestmark = pytest.mark.integration
OURS = ("jobs", "pods", "deployments", "replicasets", "services")
CLASS = "cpu-amd-25-17-small"


@pytest.fixture
def kubelets(crds: ControlPlane) -> Iterator[Kubelets]:
    with Kubelets(crds.kubeconfig) as found:
        found.add_node("small-1", cpu_labels("small"))
        yield found
    crds.kubectl("delete", "acceleratorclasses", "--all", "--ignore-not-found")


@pytest.fixture
def operator(crds: ControlPlane, tmp_path: Path) -> Iterator[OperatorProcess]:
    log = tmp_path / "operator.log"
    with OperatorProcess(crds.kubeconfig, f"{crds.registry}/gone/{tmp_path.name}", log) as found:
        yield found
    print(log.read_text()[-6000:])


@pytest.fixture
def team(crds: ControlPlane, namespace: str) -> Team:
    return Team(crds, namespace)


@pytest.fixture
def served(kubelets: Kubelets, operator: OperatorProcess, team: Team, tmp_path: Path) -> Team:
    """A team whose model is ready: Job, Deployment, ReplicaSet, Service and pods are there."""
    team.apply(team.source(tmp_path))
    wait_for("Ready", team.is_ready)
    return team


def left(team: Team) -> dict[str, list[str]]:
    found = {kind: [obj["metadata"]["name"] for obj in team.get(kind)] for kind in OURS}
    return {kind: names for kind, names in found.items() if names}


def finalizers(team: Team) -> dict[str, list[str]]:
    objects = [(kind, obj) for kind in ("optimizedmodels", *OURS) for obj in team.get(kind)]
    return {
        f"{kind}/{obj['metadata']['name']}": obj["metadata"]["finalizers"]
        for kind, obj in objects
        if "finalizers" in obj["metadata"]
    }


def test_nothing_that_we_make_or_watch_has_a_finalizer_of_ours(served: Team) -> None:
    # The Job controller has one in the pods that it counts, and takes it away itself.
    found = {
        name: each
        for name, each in finalizers(served).items()
        if each != ["batch.kubernetes.io/job-tracking"]
    }
    assert found == {}


def test_a_model_that_serves_is_deleted_with_all_that_is_ours(served: Team) -> None:
    index = served.status()["index"]
    served.kubectl("delete", "optimizedmodel", "pages", "--timeout=30s")
    wait_for("nothing left", lambda: not left(served))
    with RegistryClient() as client:
        # What was built stays: the next model with this key finds it.
        assert client.resolve(Reference.parse(index)).digest == index.rsplit("@", 1)[1]


def test_a_model_is_deleted_though_the_operator_went_first(served: Team, operator: OperatorProcess) -> None:
    operator.kill()
    served.kubectl("delete", "optimizedmodel", "pages", "--timeout=30s")
    wait_for("nothing left", lambda: not left(served))


def test_a_class_that_is_deleted_comes_back_while_its_nodes_are_there(
    served: Team, crds: ControlPlane
) -> None:
    pods = {pod["metadata"]["uid"] for pod in served.get("pods")}
    crds.kubectl("delete", "acceleratorclass", CLASS, "--timeout=30s")
    wait_for("the class", lambda: bool(crds.kubectl("get", "ac", CLASS, "--ignore-not-found")))
    wait_for("Ready", served.is_ready)
    assert {pod["metadata"]["uid"] for pod in served.get("pods")} == pods


@pytest.mark.parametrize("operator_first", [False, True])
def test_a_namespace_is_deleted_with_all_that_is_in_it(
    operator_first: bool, kubelets: Kubelets, operator: OperatorProcess, crds: ControlPlane, tmp_path: Path
) -> None:
    team = Team(crds, f"gone-{'operator' if operator_first else 'alone'}")
    crds.kubectl("create", "namespace", team.namespace)
    team.apply(team.source(tmp_path))
    wait_for("Ready", team.is_ready)
    if operator_first:
        operator.kill()
    crds.kubectl("delete", "namespace", team.namespace, "--timeout=60s")
    assert crds.kubectl("get", "namespace", team.namespace, "--ignore-not-found") == ""
    assert operator_first or operator.ended() is None
