"""What `up` decided about one cluster, written down for the supervisor, `status` and people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from layout import State
from nodes import API_PORT, CLUSTER_ADDRESS, PROMETHEUS_PORT, REGISTRY_PORT, Node

# Service -> its port in the cluster's network. The order is that of the forwarder's sockets.
SERVICES = {"api": API_PORT, "registry": REGISTRY_PORT, "prometheus": PROMETHEUS_PORT}
# Service -> its port on the machine's loopback, or the next free one above.
HOST_PORTS = {"api": 16443, "registry": 15000, "prometheus": 19090}


@dataclass(frozen=True)
class Spec:
    """One cluster: its name, nodes, host ports, and the folders that it uses outside its state."""

    name: str
    nodes: tuple[Node, ...]
    host_ports: Mapping[str, int]
    binaries: str
    registry_storage: str

    @classmethod
    def load(cls, state: State) -> Self:
        fields: dict[str, Any] = json.loads(state.facts.read_text())["spec"]
        nodes = tuple(Node.from_json(each) for each in fields.pop("nodes"))
        return cls(nodes=nodes, **fields)

    def save(self, state: State) -> None:
        content = {**self.public(state), "spec": asdict(self)}
        state.facts.write_text(json.dumps(content, indent=1) + "\n")

    def public(self, state: State) -> dict[str, Any]:
        """What `status --json` promises."""
        return {
            "name": self.name,
            "state": str(state.root),
            "kubeconfig": str(state.kubeconfig),
            "kubeconfigInside": str(state.kubeconfig_inside),
            "bin": str(Path(self.binaries) / "bin"),
            "prometheusRules": str(state.rules),
            "nodes": [node.name for node in self.nodes],
            "addresses": {
                "inside": {name: f"{CLUSTER_ADDRESS}:{port}" for name, port in SERVICES.items()},
                "host": {name: f"127.0.0.1:{port}" for name, port in self.host_ports.items()},
            },
        }
