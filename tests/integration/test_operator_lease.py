"""Two operators and a real API server: one writes, one stands by and takes over when the first one goes."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from light import ControlPlane

from support.kubelets import Kubelets, cpu_labels
from support.operator_process import OperatorProcess
from support.team import Team, wait_for

pytestmark = pytest.mark.integration
LEASE_SECONDS = 9
Pair = tuple[OperatorProcess, OperatorProcess]


@pytest.fixture
def kubelets(crds: ControlPlane) -> Iterator[Kubelets]:
    with Kubelets(crds.kubeconfig) as found:
        found.add_node("small-1", cpu_labels("small"))
        yield found
    crds.kubectl("delete", "acceleratorclasses", "--all")


@pytest.fixture
def pair(crds: ControlPlane, team: Team, tmp_path: Path) -> Iterator[Pair]:
    """A leader, and a standby whose watches run."""

    def made(name: str) -> OperatorProcess:
        return OperatorProcess(
            crds.kubeconfig,
            f"{crds.registry}/lease/{team.namespace}",
            tmp_path / f"{name}.log",
            BURNISH_LEADER_ELECT="true",
            BURNISH_LEASE_NAMESPACE=team.namespace,
            BURNISH_LEASE_SECONDS=str(LEASE_SECONDS),
        )

    first, second = made("first"), made("second")
    try:
        with first, second:
            wait_for("a ready leader", lambda: leads(first) != leads(second) and both_ready(first, second))
            yield (first, second) if leads(first) else (second, first)
    finally:
        for process in (first, second):
            print(process.log.read_text()[-4000:])


def leads(process: OperatorProcess) -> bool:
    return process.metric("burnish_leader") == 1.0


def both_ready(*processes: OperatorProcess) -> bool:
    return all(process.probe(path) == 200 for process in processes for path in ("/healthz", "/readyz"))


def lease(team: Team) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(team.kubectl("get", "lease", "burnish-operator", "-o", "json"))["spec"]
    return found


def turns(process: OperatorProcess) -> float:
    return process.metric("burnish_reconcile_duration_seconds_count")


def served(team: Team) -> list[int]:
    return [deployment["spec"]["replicas"] for deployment in team.get("deployments")]


def test_the_standby_watches_and_does_nothing(
    kubelets: Kubelets, pair: Pair, team: Team, tmp_path: Path
) -> None:
    leader, standby = pair
    team.apply(team.source(tmp_path))
    wait_for("Ready", team.is_ready)
    assert (turns(leader) > 0, turns(standby)) == (True, 0)
    assert leads(leader)
    assert not leads(standby)
    assert standby.metric("burnish_queue_depth") > 0
    assert standby.metric("burnish_watch_age_seconds") > 0


def test_a_leader_that_is_asked_to_end_hands_over(
    kubelets: Kubelets, pair: Pair, team: Team, tmp_path: Path
) -> None:
    leader, standby = pair
    team.apply(team.source(tmp_path))
    assert leader.kill(signal.SIGTERM) == 0
    assert "the lease is given back" in leader.log.read_text()
    wait_for("the standby to lead", lambda: leads(standby))
    wait_for("Ready", team.is_ready)
    assert len(team.get("jobs")) == len(kubelets.optimized) == 1
    assert lease(team)["leaseTransitions"] == 1


def test_a_leader_that_is_killed_is_replaced_once_its_lease_ends(
    kubelets: Kubelets, pair: Pair, team: Team, tmp_path: Path
) -> None:
    leader, standby = pair
    uri = team.source(tmp_path)
    team.apply(uri)
    wait_for("Ready", team.is_ready)
    before = team.versions()
    leader.kill(signal.SIGKILL)
    wait_for("the standby to lead", lambda: leads(standby))
    wait_for("its turns", lambda: turns(standby) >= 1)
    assert team.versions() == before
    team.apply(uri, serving={"replicas": 2})
    wait_for("another replica", lambda: served(team) == [2])


def test_a_leader_that_sleeps_too_long_writes_nothing_when_it_wakes(
    kubelets: Kubelets, pair: Pair, team: Team, tmp_path: Path
) -> None:
    leader, standby = pair
    uri = team.source(tmp_path)
    team.apply(uri)
    wait_for("Ready", team.is_ready)
    leader.send(signal.SIGSTOP)
    wait_for("the standby to lead", lambda: leads(standby))
    # Nobody is left to do what the edit asks for, but the one that may not.
    standby.kill(signal.SIGKILL)
    team.apply(uri, serving={"replicas": 2})
    before = team.versions()
    leader.send(signal.SIGCONT)
    wait_for("the old leader's end", lambda: leader.ended() is not None)
    assert leader.ended() == 1
    assert "the lease is lost" in leader.log.read_text()
    assert team.versions() == before


def test_a_standby_that_is_asked_to_end_leaves_the_leader_alone(
    kubelets: Kubelets, pair: Pair, team: Team
) -> None:
    leader, standby = pair
    holder = lease(team)["holderIdentity"]
    assert standby.kill(signal.SIGTERM) == 0
    assert leads(leader)
    assert lease(team)["holderIdentity"] == holder
