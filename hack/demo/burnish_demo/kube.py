"""The few things that the demo asks of a cluster, through kubectl, as a person would."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from burnish_demo.commands import failure, output_of
from burnish_demo.errors import DemoError
from burnish_demo.place import Place

Object = dict[str, Any]
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
}
_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ->")


@dataclass(frozen=True)
class Kube:
    """kubectl with its cluster chosen."""

    kubectl: tuple[str, ...]

    def run(self, *arguments: str, stdin: str | None = None, timeout_seconds: float = 120.0) -> str:
        """kubectl's output.   Raises: DemoError with what it said."""
        return output_of([*self.kubectl, *arguments], stdin=stdin, timeout_seconds=timeout_seconds)

    def apply(self, manifest: Object | str) -> str:
        """Server-side apply; `unchanged`, `created` or `configured` is in what it returns."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.run("apply", "--server-side", "--field-manager=burnish-demo", "-f", "-", stdin=text)

    def namespace(self, name: str) -> None:
        """A namespace that the `restricted` Pod Security Standard is enforced in."""
        metadata = {"name": name, "labels": RESTRICTED}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        text = self.run("get", kind, name, f"--namespace={namespace}", "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, namespace: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        """All objects of a kind in a namespace that carry these labels."""
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        text = self.run("get", kind, f"--namespace={namespace}", f"--selector={selector}", "-o", "json")
        items: list[Object] = json.loads(text)["items"]
        return items

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object and wait until it is gone; one that is not there is fine."""
        self.run(
            "delete", kind, name, f"--namespace={namespace}", "--ignore-not-found", "--timeout=120s", "--wait"
        )


@dataclass(frozen=True)
class Access:
    """How to speak to a Service: an address, and the prefix of a command that can reach it."""

    address: str
    prefix: tuple[str, ...] = ()


@contextmanager
def reach(place: Place, namespace: str, service: str, port: str = "http") -> Iterator[Access]:
    """The Service's own ClusterIP from inside the cluster's network, else a port-forward to it."""
    if place.inside:
        found = Kube(place.kubectl).find("service", namespace, service)
        if found is None:
            raise _no_service(namespace, service)
        yield Access(cluster_address(found, port), place.inside)
    else:
        with forwarded([*place.kubectl, f"--namespace={namespace}"], f"service/{service}", port) as address:
            yield Access(address)


def cluster_address(service: Object, port: str) -> str:
    """`clusterIP:port` of the Service's port of that name."""
    number = next(each["port"] for each in service["spec"]["ports"] if each.get("name") == port)
    return f"{service['spec']['clusterIP']}:{number}"


@contextmanager
def forwarded(kubectl: list[str], resource: str, port: str) -> Iterator[str]:
    """`127.0.0.1:port`, forwarded to a Service or pod while the body runs."""
    words = [*kubectl, "port-forward", resource, f":{port}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        try:
            said = child.stdout.readline() if child.stdout else ""
            match = _FORWARDING.search(said)
            if match is None:
                raise failure(words, "no forwarded port", said)
            yield f"127.0.0.1:{match[1]}"
        finally:
            child.terminate()


def _no_service(namespace: str, service: str) -> DemoError:
    return DemoError(
        f"Service {namespace}/{service}",
        found="nothing",
        expected="the Service of a target that is rolled out",
        remedy=f"kubectl describe om --namespace={namespace} tells why.",
    )
