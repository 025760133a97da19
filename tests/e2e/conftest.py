"""A whole cluster with Burnish in it, brought up once, by the code that `make demo` runs.

`BURNISH_E2E_CLUSTER` names the cluster (default `e2e`); `BURNISH_E2E_SEED` makes the models of a run again;
`BURNISH_E2E_KEEP=1` leaves the cluster up with its engines, so that the next run starts in seconds.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from burnish_demo.drive import Demo, Options, Result
from burnish_demo.place import CLUSTER_TOOL, Place
from burnish_demo.steps import Steps
from burnish_engine.oci.client import RegistryClient
from support.world import World

CLUSTER = os.environ.get("BURNISH_E2E_CLUSTER", "e2e")
KEEP = os.environ.get("BURNISH_E2E_KEEP") == "1"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the cluster, and may wait for Jobs."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    """The demo's own path, run once; its result is what the first tests look at."""
    if os.geteuid() != 0:
        pytest.skip("the embedded cluster needs root, for namespaces and cgroups")
    console = Console(file=sys.__stderr__, width=120)
    options = Options(cluster=CLUSTER, fresh=not KEEP, reports=tmp_path_factory.mktemp("reports"))
    try:
        with Steps(console) as steps:
            result = Demo(options, steps, console).run()
        yield result
    finally:
        if not KEEP:
            subprocess.run([sys.executable, CLUSTER_TOOL, "down", "--name", CLUSTER], check=True)


@pytest.fixture(scope="session")
def place(demo: Result) -> Place:
    """Where it all runs."""
    return demo.place


@pytest.fixture
def world(place: Place, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A namespace of the test's own, `restricted`, and a client of the registry; gone afterwards."""
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:40].strip("-")
    # A namespace of that name may still be on its way out, from another parameter or an earlier run.
    unique = f"e2e-{name}-{secrets.token_hex(3)}"
    with RegistryClient.from_environment() as client:
        world = World(place, client, unique, tmp_path)
        world.create()
        yield world
        world.remove()
