"""A control plane of its own, so that every request in its audit log is this operator's."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack" / "cluster"))

from light import ControlPlane  # noqa: E402

from burnish_operator.api.crds import definitions  # noqa: E402

NAMESPACE = "burnish-system"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, API server, controllers and registry, with Burnish's CRDs and an audit log of its account."""
    folder = tmp_path_factory.mktemp("scale") / "state"
    audited = f"system:serviceaccounts:{NAMESPACE}"
    with ControlPlane.start(folder, controller_manager=True, audited=audited) as found:
        found.define(definitions())
        found.kubectl("create", "namespace", NAMESPACE)
        yield found
