"""The operator as a process against a real API server, real controllers and a real registry.

Only kubelets are played (`support.kubelets`). Namespaces enforce the restricted Pod Security Standard.
"""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from light import ControlPlane

from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from support.kubelets import Kubelets, cpu_labels, stalled
from support.operator_process import OperatorProcess
from support.team import Team, wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def kubelets(crds: ControlPlane) -> Iterator[Kubelets]:
    with Kubelets(crds.kubeconfig) as found:
        found.add_node("small-1", cpu_labels("small"))
        found.add_node("large-1", cpu_labels("large"))
        yield found
    crds.kubectl("delete", "acceleratorclasses", "--all")


@pytest.fixture
def operator(crds: ControlPlane, tmp_path: Path) -> Iterator[OperatorProcess]:
    log = tmp_path / "operator.log"
    with OperatorProcess(crds.kubeconfig, f"{crds.registry}/burnish/{tmp_path.name}", log) as found:
        yield found
    print(log.read_text()[-6000:])


@pytest.fixture
def team(team: Team, crds: ControlPlane, namespace: str) -> Team:
    """In a namespace that takes restricted pods alone."""
    crds.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    return team


def test_one_object_becomes_engines_and_answering_pods(
    kubelets: Kubelets, operator: OperatorProcess, team: Team, tmp_path: Path
) -> None:
    team.apply(team.source(tmp_path))
    wait_for("Ready", team.is_ready)
    status = team.status()
    assert {t["name"]: t["state"] for t in status["targets"]} == {
        "cpu-amd-25-17-small": "Serving",
        "cpu-amd-25-17-large": "Serving",
    }
    assert status["summary"] == {
        "targetsReady": "2/2",
        "speedup": "2.0x",
        "precision": "BF16",
        "accuracy": "0.990",
        "savings": "2 accelerators",
    }
    assert status["observedGeneration"] == 1
    assert len(team.get("jobs")) == len(team.get("deployments")) == len(team.get("services")) == 2
    with RegistryClient() as client:
        assert client.resolve(Reference.parse(status["index"])).media_type.endswith("index.v1+json")
    reasons = {e["reason"] for e in team.get("events") if e["involvedObject"]["kind"] == "OptimizedModel"}
    assert {"BuildStarted", "EngineReady", "RolledOut", "Ready"} <= reasons
    _probes_answer(operator)
    _rests(operator, team)


def _probes_answer(operator: OperatorProcess) -> None:
    assert httpx.get(f"http://127.0.0.1:{operator.health_port}/healthz").status_code == 200
    text = httpx.get(f"http://127.0.0.1:{operator.metrics_port}/metrics").text
    assert 'burnish_accelerators_saved{model="pages"' in text
    assert 'burnish_jobs{state="succeeded"} 2.0' in text
    assert 'burnish_optimization_duration_seconds_count{result="succeeded"} 2.0' in text


def _rests(operator: OperatorProcess, team: Team) -> None:
    """Nothing is written at rest, not even by a new operator, which reads everything anew."""
    [model] = team.get("optimizedmodels")
    assert "finalizers" not in model["metadata"]
    assert "annotations" not in model["metadata"]
    before = team.versions()
    assert operator.kill(signal.SIGTERM) == 0
    operator.start()
    metrics = f"http://127.0.0.1:{operator.metrics_port}/metrics"
    wait_for("the new operator's turns", lambda: _turns(metrics) >= 1)
    assert team.versions() == before


def _turns(url: str) -> float:
    try:
        text = httpx.get(url).text
    except httpx.TransportError:
        return 0.0
    lines = [
        line for line in text.splitlines() if line.startswith("burnish_reconcile_duration_seconds_count")
    ]
    return float(lines[0].split()[-1]) if lines else 0.0


def test_killed_at_twenty_moments_the_end_is_the_same(
    kubelets: Kubelets, operator: OperatorProcess, team: Team, tmp_path: Path
) -> None:
    moments = random.Random(7)
    uri = team.source(tmp_path)
    kubelets.holding = True
    for moment in range(20):
        if moment == 3:
            team.apply(uri)
        if moment == 12:
            kubelets.holding = False
        time.sleep(moments.uniform(0.3, 1.6))
        operator.kill()
        operator.start()
    wait_for("Ready", team.is_ready)
    jobs = team.get("jobs")
    assert len(jobs) == 2
    assert len({job["metadata"]["labels"]["burnish.dev/engine-key"] for job in jobs}) == 2
    assert len(kubelets.optimized) == 2
    assert len(team.get("deployments")) == len(team.get("services")) == 2


def test_a_bad_model_is_told_once_and_not_tried_again(
    kubelets: Kubelets, operator: OperatorProcess, team: Team, tmp_path: Path
) -> None:
    kubelets.optimizer = stalled("InvalidModel")
    team.apply(team.source(tmp_path, "no model"), targets=[{"acceleratorClass": "cpu-amd-25-17-small"}])
    wait_for("the failure", lambda: team.condition("Ready") == ("False", "InvalidModel"))
    [job] = team.get("jobs")
    [failed] = [c for c in job["status"]["conditions"] if c["type"] == "Failed"]
    assert failed["reason"] == "PodFailurePolicy"
    assert len(team.get("pods")) == 1
    [target] = team.status()["targets"]
    assert (target["state"], target["lastFailure"]["reason"]) == ("Failed", "InvalidModel")
    team.kubectl("delete", "jobs", "--all")
    operator.kill()
    operator.start()
    kubelets.optimizer = stalled("AnotherReason")
    team.kubectl("label", "optimizedmodel", "pages", "touched=yes")
    metrics = f"http://127.0.0.1:{operator.metrics_port}/metrics"
    wait_for("the new operator's turns", lambda: _turns(metrics) >= 1)
    assert team.get("jobs") == []
    assert team.condition("Ready") == ("False", "InvalidModel")
    assert [e["type"] for e in team.get("events") if e["reason"] == "BuildFailed"] == ["Warning"]


def test_a_model_deleted_in_the_middle_leaves_nothing_behind(
    kubelets: Kubelets, operator: OperatorProcess, team: Team, tmp_path: Path
) -> None:
    kubelets.holding = True
    team.apply(team.source(tmp_path))
    wait_for("two Jobs", lambda: len(team.get("pods")) == 2)
    team.kubectl("delete", "optimizedmodel", "pages")
    wait_for(
        "nothing left", lambda: not any(team.get(k) for k in ("jobs", "pods", "deployments", "services"))
    )


def test_a_source_that_appears_later_is_found(
    kubelets: Kubelets, operator: OperatorProcess, team: Team, tmp_path: Path, crds: ControlPlane
) -> None:
    uri = f"oci://{crds.registry}/models/{team.namespace}:1"
    team.apply(uri)
    wait_for("the condition", lambda: team.condition("SourceResolved") == ("False", "NotFound"))
    assert team.get("jobs") == []
    team.source(tmp_path)
    team.kubectl("annotate", "optimizedmodel", "pages", "look=again")
    wait_for("Ready", team.is_ready)
