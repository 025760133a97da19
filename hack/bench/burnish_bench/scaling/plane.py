"""A control plane with many nodes that kwok plays, a registry, and an account with the chart's rights."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import golang
import kwok
from light import ControlPlane

from burnish_bench.scaling.api import Api, Object
from burnish_operator.api.crds import definitions
from support import rights
from support.kubelets import cpu_labels

NAMESPACE = "burnish-system"
# Nodes beat by leases; the node controller loses its patience after 50 s.
LEASE_SECONDS = 120
STAGES = Path(__file__).with_name("stages.yaml")


@dataclass(frozen=True)
class Place:
    """What runs, and how to ask it."""

    plane: ControlPlane
    api: Api
    account: Path
    folder: Path


@contextmanager
def started(folder: Path, nodes: int, classes: int) -> Iterator[Place]:
    """Everything but the operator; `nodes` nodes of `classes` kinds are ready to take pods."""
    group = f"system:serviceaccounts:{NAMESPACE}"
    with ControlPlane.start(folder, controller_manager=True, scheduler=True, audited=group) as plane:
        plane.define(definitions())
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=rights.rendered(plane, NAMESPACE))
        account = rights.kubeconfig(plane, NAMESPACE, folder / "operator.kubeconfig")
        _play_kubelets(plane)
        api = Api(plane.server, plane.root)
        api.create("/api/v1/nodes", [_node(number, number % classes) for number in range(nodes)])
        plane.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s")
        yield Place(plane, api, account, folder)


def _play_kubelets(plane: ControlPlane) -> None:
    options = ("--manage-all-nodes", f"--node-lease-duration-seconds={LEASE_SECONDS}")
    command = [str(kwok.program()), f"--kubeconfig={plane.kubeconfig}", f"--config={STAGES}", *options]
    plane.spawn("kwok", command)


def _node(number: int, kind: int) -> Object:
    name = f"node-{number:04d}"
    labels = {**cpu_labels(f"bench-{kind:02d}"), "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    metadata = {"name": name, "labels": labels}
    room = {"cpu": "256", "memory": "2Ti", "ephemeral-storage": "100Ti", "pods": "10000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata,
        "status": {"allocatable": room, "capacity": room},
    }


def versions() -> dict[str, str]:
    """Of what plays the cluster, as pinned."""
    pinned = (kwok.MODULE / "go.mod").read_text()
    [played] = re.findall(r"sigs\.k8s\.io/kwok v(\S+)", pinned)
    kubernetes = golang.kubernetes_version((golang.MODULE / "go.mod").read_text())
    return {"kubernetes": kubernetes, "kwok": played}
