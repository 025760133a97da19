"""The chart, installed by the real helm into a real API server: admission, rights, upgrade, uninstall."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from layout import ClusterError
from light import ControlPlane

pytestmark = pytest.mark.integration

CHART = Path(__file__).resolve().parents[2] / "charts" / "burnish"
NAMESPACE = "burnish-system"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:burnish"
Helm = Callable[..., str]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of its own, because this chart owns the CRDs here."""
    with ControlPlane.start(tmp_path_factory.mktemp("chart") / "state", controller_manager=True) as plane:
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        for name in ("team-a", "team-b"):
            plane.kubectl("create", "namespace", name)
        yield plane


@pytest.fixture(scope="module")
def helm(plane: ControlPlane) -> Helm:
    def run(*arguments: str) -> str:
        command = [
            plane.binaries / "helm",
            "--kubeconfig",
            plane.kubeconfig,
            "--namespace",
            NAMESPACE,
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def install(helm: Helm, *values: str) -> None:
    wanted = ("images.registry=registry.example/burnish", *values)
    helm(
        "upgrade",
        "--install",
        "burnish",
        str(CHART),
        *(part for value in wanted for part in ("--set", value)),
    )


def granted(plane: ControlPlane, rights: list[tuple[str, str]], *where: str) -> list[tuple[str, str]]:
    """Those of the rights that the operator's account has."""
    return [(verb, resource) for verb, resource in rights if _may(plane, verb, resource, *where)]


def _may(plane: ControlPlane, verb: str, resource: str, *where: str) -> bool:
    name, _, subresource = resource.partition("/")
    deeper = (f"--subresource={subresource}",) if subresource else ()
    try:
        plane.kubectl("auth", "can-i", verb, name, *deeper, f"--as={ACCOUNT}", *where)
    except ClusterError as refusal:
        if "failed with status 1" in str(refusal):  # can-i says no by its exit status
            return False
        raise
    return True


def wait_for_pod(plane: ControlPlane) -> str:
    """Name of the operator's pod; the admission plugin has let it in."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        name = plane.kubectl("get", "pods", "-n", NAMESPACE, "-o", "name").strip()
        if name:
            return name
        time.sleep(0.2)
    raise AssertionError(plane.kubectl("get", "events", "-n", NAMESPACE))


def test_the_restricted_namespace_admits_the_operator(helm: Helm, plane: ControlPlane) -> None:
    install(helm)
    assert wait_for_pod(plane).startswith("pod/burnish-")


NEEDED = [
    ("watch", "optimizedmodels"),
    ("patch", "optimizedmodels/status"),
    ("create", "jobs"),
    ("delete", "jobs"),
    ("patch", "deployments"),
    ("create", "services"),
    ("list", "pods"),
    ("create", "events"),
]
INVENTORY = [("watch", "nodes"), ("create", "acceleratorclasses"), ("patch", "acceleratorclasses/status")]
REFUSED = [
    ("get", "secrets"),
    ("list", "secrets"),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("patch", "nodes"),
    ("update", "optimizedmodels"),
    ("delete", "optimizedmodels"),
    ("create", "clusterrolebindings"),
]


def test_cluster_wide_rights_are_enough_and_no_more(helm: Helm, plane: ControlPlane) -> None:
    install(helm)
    assert granted(plane, NEEDED + INVENTORY, "-A") == NEEDED + INVENTORY
    assert granted(plane, REFUSED, "-A") == []


def test_rights_in_namespaces_end_there(helm: Helm, plane: ControlPlane) -> None:
    install(helm, "watchNamespaces={team-a}")
    assert granted(plane, NEEDED, "-n", "team-a") == NEEDED
    assert granted(plane, NEEDED, "-n", "team-b") == []
    assert granted(plane, INVENTORY) == INVENTORY
    install(helm, "watchNamespaces={team-a}", "rbac.inventory=false")
    assert granted(plane, INVENTORY) == []


def test_editors_of_a_namespace_may_write_models(helm: Helm, plane: ControlPlane) -> None:
    install(helm)
    plane.kubectl("create", "rolebinding", "ann", "--clusterrole=edit", "--user=ann", "-n", "team-a")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            answer = plane.kubectl("auth", "can-i", "create", "optimizedmodels", "--as=ann", "-n", "team-a")
        except ClusterError:
            time.sleep(0.2)  # the controller that aggregates roles is not done yet
            continue
        assert answer.strip() == "yes"
        return
    raise AssertionError("the edit role never got the right")


def test_uninstalling_keeps_the_models(helm: Helm, plane: ControlPlane) -> None:
    install(helm)
    manifest = """
apiVersion: burnish.dev/v1alpha1
kind: OptimizedModel
metadata: {name: kept, namespace: team-a}
spec: {source: {uri: "oci://registry.example/models/kept:1"}}
"""
    plane.kubectl("apply", "-f", "-", stdin=manifest)
    helm("uninstall", "burnish")
    assert "kept" in plane.kubectl("get", "om", "-n", "team-a")
    install(helm)
    assert "kept" in plane.kubectl("get", "om", "-n", "team-a")
