"""Where the demo runs: the embedded cluster, or one that the user has. The rest never asks which."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish_demo.commands import output_of
from burnish_demo.errors import DemoError

REPOSITORY_ROOT = Path(__file__).resolve().parents[3]
CLUSTER_TOOL = REPOSITORY_ROOT / "hack" / "cluster"
SYSTEM_NAMESPACE = "burnish-system"
MODEL_NAMESPACE = "demo"


@dataclass(frozen=True)
class Place:
    """A cluster, a registry, and how to reach inside.

    kubectl, helm: the programs with the options that choose the cluster.
    registry: host[/path] as pods name it; push_to: the same registry as this machine names it.
    plain_http: `host:port`s that pods speak to without TLS, comma-separated.
    inside: prefix of a command that must run in the cluster's network; empty: use port-forward.
    prometheus_for_pods: the same Prometheus as pods reach it; empty where that is not known.
    cluster: name of the embedded cluster; None for a user's own.
    """

    title: str
    kubectl: tuple[str, ...]
    helm: tuple[str, ...]
    registry: str
    push_to: str
    plain_http: str = ""
    inside: tuple[str, ...] = ()
    prometheus_url: str | None = None
    prometheus_for_pods: str = ""
    kubeconfig: str | None = None
    cluster: str | None = None

    @property
    def embedded(self) -> bool:
        return self.cluster is not None

    @property
    def engines(self) -> str:
        """Repository of the engines, as pods name it."""
        return f"{self.registry}/engines"

    def from_here(self, reference: str) -> str:
        """A reference that pods use, as this machine must write it."""
        return _moved(reference, self.registry, self.push_to)

    def for_pods(self, reference: str) -> str:
        """A reference that this machine uses, as pods must write it."""
        return _moved(reference, self.push_to, self.registry)


def _moved(reference: str, old: str, new: str) -> str:
    plain = reference.removeprefix("oci://")
    return f"{new}{plain[len(old) :]}" if plain.startswith(f"{old}/") else reference


def embedded(facts: Mapping[str, Any]) -> Place:
    """From what `hack/cluster status --json` says of a cluster that is up."""
    binaries, kubeconfig, name = Path(facts["bin"]), facts["kubeconfig"], facts["name"]
    inside, host = facts["addresses"]["inside"], facts["addresses"]["host"]
    return Place(
        title=f"embedded cluster {name!r}, nodes {', '.join(facts['nodes'])}",
        kubectl=(str(binaries / "kubectl"), f"--kubeconfig={kubeconfig}"),
        helm=(str(binaries / "helm"), f"--kubeconfig={kubeconfig}"),
        registry=f"{inside['registry']}/burnish",
        push_to=f"{host['registry']}/burnish",
        plain_http=inside["registry"],
        inside=(sys.executable, str(CLUSTER_TOOL), "exec", "--name", name, "--"),
        prometheus_url=f"http://{host['prometheus']}",
        prometheus_for_pods=f"http://{inside['prometheus']}",
        kubeconfig=kubeconfig,
        cluster=name,
    )


def embedded_facts(name: str) -> dict[str, Any]:
    """`hack/cluster status --json`, as measured now."""
    facts: dict[str, Any] = json.loads(
        output_of([sys.executable, CLUSTER_TOOL, "status", "--name", name, "--json"])
    )
    return facts


def users_own(
    context: str, registry: str, prometheus_url: str | None, environment: Mapping[str, str] = os.environ
) -> Place:
    """A cluster that is there, by the name of its context in the kubeconfig.

    `BURNISH_PLAIN_HTTP` names registries without TLS, for this machine and for pods alike.
    Raises: DemoError: no registry was named, or kubectl or helm is missing.
    """
    if not registry:
        raise DemoError(
            f"KUBE_CONTEXT={context}",
            found="no REGISTRY",
            expected="a registry that you may push to and that the cluster can pull from",
            remedy=f"make demo KUBE_CONTEXT={context} REGISTRY=host/path",
        )
    registry = registry.removeprefix("oci://").rstrip("/")
    return Place(
        title=f"context {context!r}",
        kubectl=(_program("kubectl"), f"--context={context}"),
        helm=(_program("helm"), f"--kube-context={context}"),
        registry=registry,
        push_to=registry,
        plain_http=environment.get("BURNISH_PLAIN_HTTP", ""),
        prometheus_url=prometheus_url,
    )


def _program(name: str) -> str:
    if path := shutil.which(name):
        return path
    raise DemoError(
        name, found="no such program on PATH", expected=f"{name}", remedy=f"Install {name}, then try again."
    )
