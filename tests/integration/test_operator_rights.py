"""The operator with exactly the rights that the chart gives it: cluster-wide, and in one namespace alone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from light import ControlPlane

from support import rights
from support.kubelets import Kubelets, cpu_labels
from support.operator_process import OperatorProcess
from support.team import Team, wait_for

pytestmark = pytest.mark.integration
Started = Callable[..., OperatorProcess]


@pytest.fixture
def kubelets(crds: ControlPlane) -> Iterator[Kubelets]:
    with Kubelets(crds.kubeconfig) as found:
        found.add_node("pool-1", cpu_labels("small") | {"pool": "gold"})
        yield found
    crds.kubectl("delete", "acceleratorclasses", "--all")


@pytest.fixture
def started(crds: ControlPlane, team: Team, tmp_path: Path) -> Iterator[Started]:
    """Start the operator as the chart's ServiceAccount, with the chart's roles and no others."""
    processes = []

    def start(*values: str, **environment: str) -> OperatorProcess:
        roles = rights.rendered(crds, team.namespace, *values)
        crds.kubectl("apply", "-n", team.namespace, "-f", "-", stdin=roles)
        kubeconfig = rights.kubeconfig(crds, team.namespace, tmp_path / "kubeconfig")
        log = tmp_path / "operator.log"
        elected = {
            "BURNISH_LEADER_ELECT": "true",
            "BURNISH_LEASE_NAME": "burnish",
            "BURNISH_LEASE_NAMESPACE": team.namespace,
        }
        repository = f"{crds.registry}/rights/{team.namespace}"
        process = OperatorProcess(kubeconfig, repository, log, **elected, **environment)
        process.start()
        processes.append((process, roles))
        return process

    yield start
    for process, roles in processes:
        process.kill()
        crds.kubectl("delete", "-n", team.namespace, "-f", "-", stdin=roles)
        print(process.log.read_text()[-9000:])


def test_the_chart_gives_all_rights_that_are_needed(
    kubelets: Kubelets, started: Started, team: Team, tmp_path: Path
) -> None:
    operator = started()
    team.apply(team.source(tmp_path))
    wait_for("Ready", team.is_ready)
    assert {e["reason"] for e in team.get("events")} >= {"BuildStarted", "Ready"}
    assert "orbidden" not in operator.log.read_text()


def test_given_namespaces_may_discover_hardware_too(
    kubelets: Kubelets, started: Started, team: Team, tmp_path: Path
) -> None:
    started(f"watchNamespaces={{{team.namespace}}}", BURNISH_WATCH_NAMESPACES=team.namespace)
    team.apply(team.source(tmp_path))
    wait_for("Ready", team.is_ready)
    assert [t["name"] for t in team.status()["targets"]] == ["cpu-amd-25-17-small"]


def test_one_namespace_without_any_cluster_role_is_enough(
    kubelets: Kubelets, started: Started, team: Team, tmp_path: Path
) -> None:
    namespace = team.namespace
    started(f"watchNamespaces={{{namespace}}}", "rbac.inventory=false", BURNISH_WATCH_NAMESPACES=namespace)
    team.apply(team.source(tmp_path), targets=[{"name": "gold", "nodeSelector": {"pool": "gold"}}])
    team.apply(team.source(tmp_path), name="discovering")
    wait_for("Ready", team.is_ready)
    wait_for(
        "the refusal", lambda: team.condition("TargetsResolved", "discovering") == ("False", "Forbidden")
    )
    assert [t["state"] for t in team.status()["targets"]] == ["Serving"]
