"""What is rendered for other servers, as the API server takes it: applied twice, and kept restricted."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from burnish_operator.ports import DEPLOYMENT, SERVICE
from burnish_operator.render.differs import differs
from support.runtimes import OTHERS, fleet, only, pod

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
Apply = Callable[[dict[str, Any]], dict[str, Any]]


def unowned(rendered: dict[str, Any]) -> dict[str, Any]:
    """Without what the cluster does not have here: the model that owns it."""
    found = copy.deepcopy(rendered)
    found["metadata"] = {
        key: found["metadata"][key] for key in ("name", "labels") if key in found["metadata"]
    }
    found.pop("status", None)
    return found


@pytest.mark.parametrize("runtime", OTHERS)
@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE])
def test_the_api_server_stores_what_was_rendered(apply: Apply, runtime: str, kind: Any) -> None:
    found = fleet(runtime)
    found.settle()
    wanted = unowned(only(found, kind))
    stored = apply(wanted)
    assert not differs(wanted, stored)
    assert apply(wanted)["metadata"].get("generation") == stored["metadata"].get("generation")


@pytest.mark.parametrize("runtime", OTHERS)
def test_back_to_burnish_the_api_server_forgets_the_other_server(apply: Apply, runtime: str) -> None:
    other, ours = fleet(runtime), fleet("Burnish")
    for each in (other, ours):
        each.settle()
    apply(unowned(only(other, DEPLOYMENT)))
    stored = apply(unowned(only(ours, DEPLOYMENT)))["spec"]["template"]
    assert "initContainers" not in stored["spec"]
    assert {volume["name"] for volume in stored["spec"]["volumes"]} == {"work", "credentials"}
    assert "burnish.dev/runtime" not in stored["metadata"]["annotations"]


def test_the_example_is_accepted(apply: Apply) -> None:
    text = (ROOT / "examples/other-servers.yaml").read_text(encoding="utf-8")
    found = [apply(one)["spec"]["serving"]["runtime"] for one in yaml.safe_load_all(text)]
    assert found == list(OTHERS)


@pytest.mark.parametrize("runtime", OTHERS)
def test_pod_security_admission_lets_the_pod_in(crds: Any, namespace: str, runtime: str) -> None:
    crds.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    found = fleet(runtime)
    found.settle()
    template = pod(found)
    single = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": template["spec"]}
    told = crds.kubectl("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=json.dumps(single))
    assert "created" in told
