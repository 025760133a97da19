"""How many requests a model costs, counted by the API server itself. No times: they are the bench's."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from light import ControlPlane

from burnish_bench.scaling import objects
from burnish_bench.scaling.counts import AuditLog, Request, by_kind
from burnish_bench.scaling.measure import DURATION, metrics
from burnish_bench.scaling.procs import value
from support import rights
from support.kubelets import Kubelets, cpu_labels
from support.operator_process import OperatorProcess
from support.team import Team, wait_for

NAMESPACE = "burnish-system"

pytestmark = pytest.mark.integration
MODELS = 50
# A Deployment, a Service, three states of the status and what is told of them.
REQUESTS_A_MODEL = 8
# Each watched kind is listed and watched once, and kopf looks at what the API server has.
REQUESTS_A_START = 40
QUIET_SECONDS = 6.0


@pytest.fixture
def kubelets(plane: ControlPlane) -> Iterator[Kubelets]:
    with Kubelets(plane.kubeconfig) as found:
        found.add_node("small-1", cpu_labels("small"))
        yield found


@pytest.fixture
def operator(plane: ControlPlane, tmp_path: Path) -> Iterator[OperatorProcess]:
    plane.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=rights.rendered(plane, NAMESPACE))
    account = rights.kubeconfig(plane, NAMESPACE, tmp_path / "kubeconfig")
    with OperatorProcess(account, f"{plane.registry}/scale", tmp_path / "operator.log") as found:
        yield found
    print((tmp_path / "operator.log").read_text()[-6000:])


def test_a_model_costs_a_bounded_number_of_requests_and_rest_costs_none(
    plane: ControlPlane, kubelets: Kubelets, operator: OperatorProcess, tmp_path: Path
) -> None:
    plane.kubectl("create", "namespace", objects.NAMESPACE)
    team, log = Team(plane, objects.NAMESPACE), AuditLog(plane.audit_log)
    uri = team.source(tmp_path)
    team.apply(uri, objects.PILOT)
    wait_for("an engine", lambda: team.is_ready(objects.PILOT))
    [engine_class] = [t["acceleratorClass"] for t in team.status(objects.PILOT)["targets"]]

    began = _rest(log)
    wanted = objects.models(MODELS, uri, [engine_class], 1)
    everything = {"apiVersion": "v1", "kind": "List", "items": wanted}
    plane.kubectl("create", "-f", "-", stdin=json.dumps(everything))
    wait_for("all to be Ready", lambda: _ready(team) == MODELS + 1)
    asked = _since(log, began)
    assert len(asked) <= REQUESTS_A_MODEL * MODELS, by_kind(asked)
    assert not [request for request in asked if request.verb in ("get", "list")], by_kind(asked)
    assert not [request for request in asked if request.code >= 400], by_kind(asked)

    began = _rest(log)
    assert _since(log, began) == []

    began = time.time()
    operator.kill()
    operator.start()
    wait_for("a turn of each", lambda: value(metrics(operator), f"{DURATION}_count") > MODELS)
    anew = _since(log, began)
    assert not [request for request in anew if request.is_write], by_kind(anew)
    assert 0 < len(anew) <= REQUESTS_A_START, by_kind(anew)


def _ready(team: Team) -> int:
    conditions = [m.get("status", {}).get("conditions", []) for m in team.get("optimizedmodels")]
    return sum(any(c["type"] == "Ready" and c["status"] == "True" for c in each) for each in conditions)


def _rest(log: AuditLog) -> float:
    """Wait until nothing was asked for a while; returns when that was."""
    while log.read() and time.time() - max(request.at for request in log.requests) < QUIET_SECONDS:
        time.sleep(0.5)
    return time.time()


def _since(log: AuditLog, began: float) -> list[Request]:
    time.sleep(1.0)
    return log.between(began, _rest(log))
