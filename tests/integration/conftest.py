"""A real API server, etcd and registry for the whole session; the first use starts them (about 4 s)."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack" / "cluster"))

from layout import ClusterError  # noqa: E402
from light import ControlPlane  # noqa: E402

from burnish_operator.api.crds import definitions  # noqa: E402
from support.team import Team  # noqa: E402

Applied = dict[str, Any]


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, kube-apiserver, controller-manager and a registry on loopback; no node, no pod runs."""
    with ControlPlane.start(tmp_path_factory.mktemp("plane") / "state", controller_manager=True) as plane:
        yield plane


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with Burnish's CRDs."""
    control_plane.define(definitions())
    return control_plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own, deleted after it (in the background)."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def team(crds: ControlPlane, namespace: str) -> Iterator[Team]:
    """Whoever works in the test's namespace; what models it leaves are deleted after it."""
    yield Team(crds, namespace)
    crds.kubectl("delete", "optimizedmodels", "--all", "-n", namespace)


@pytest.fixture
def apply(crds: ControlPlane, namespace: str) -> Callable[[dict[str, Any]], Applied]:
    """Server-side apply in the test's namespace; returns the object as stored, raises what the API says."""

    def applied(manifest: dict[str, Any]) -> Applied:
        text = json.dumps(manifest)
        output = crds.kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            "-n",
            namespace,
            "-o",
            "json",
            "-f",
            "-",
            stdin=text,
        )
        stored: Applied = json.loads(output)
        return stored

    return applied


@pytest.fixture
def refused(apply: Callable[[dict[str, Any]], Applied]) -> Callable[[dict[str, Any]], str]:
    """The API server's words about an object that it must not take."""

    def message(manifest: dict[str, Any]) -> str:
        with pytest.raises(ClusterError) as refusal:
            apply(manifest)
        return str(refusal.value)

    return message
