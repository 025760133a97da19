"""Where things lie: what is built once (cache) and what one cluster owns (state).

The cache may be deleted at any time and is made again; a state folder lives from `up` to
`down`. Keeping them apart is what lets `down` delete a whole folder without a thought.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
PROGRAMS = (
    "etcd",
    "helm",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)


class ClusterError(Exception):
    """Something that a person has to know or do; its text is shown without a traceback."""


@dataclass(frozen=True)
class Cache:
    """Everything that outlives a cluster: binaries, the base image, registry storage, image layers."""

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """`$BURNISH_CACHE`, else `burnish` under the user's cache folder."""
        override = os.environ.get("BURNISH_CACHE")
        if override:
            return cls(Path(override).resolve())
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(Path(home).resolve() / "burnish")

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def buildah(self) -> Path:
        return self.root / "buildah"

    def registry(self, name: str) -> Path:
        """Storage of one cluster's registry, kept so that a second `up` finds its images."""
        return self.root / "registry" / name


@dataclass(frozen=True)
class State:
    """The folder of one running cluster, removed by `down`."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str) -> State:
        """The state folder of the cluster called `name`; the name also names cgroups, so it is strict."""
        if not (name.isascii() and name.replace("-", "").isalnum() and len(name) <= 20):
            raise ClusterError(f"cluster name {name!r}: expected up to 20 letters, digits and dashes")
        home = os.environ.get("BURNISH_STATE") or "/var/lib/burnish-demo"
        return cls(name, Path(home).resolve() / name)

    @property
    def facts(self) -> Path:
        """What `up` decided: addresses, ports and nodes, as JSON."""
        return self.root / "cluster.json"

    @property
    def processes(self) -> Path:
        """The supervisor's own list of components, as JSON."""
        return self.root / "processes.json"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def kubeconfig(self) -> Path:
        """For the machine that runs the cluster, through the forwarder."""
        return self.root / "kubeconfig"

    @property
    def kubeconfig_inside(self) -> Path:
        """For processes in the cluster's network namespace."""
        return self.root / "kubeconfig-inside"

    @property
    def rules(self) -> Path:
        """Prometheus loads every `*.yaml` here; POST /-/reload after a change."""
        return self.root / "prometheus" / "rules"

    def node(self, node: str) -> Path:
        return self.root / "nodes" / node
