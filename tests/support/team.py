"""What a user of one namespace does and sees, through kubectl."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish_engine.oci.artifact import push_files
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference

if TYPE_CHECKING:
    from light import ControlPlane

PATIENCE_SECONDS = 90.0


class Team:
    """What a user of one namespace does and sees."""

    def __init__(self, plane: "ControlPlane", namespace: str) -> None:
        self._plane, self.namespace = plane, namespace

    def source(self, folder: Path, content: str = "a model") -> str:
        """Push a model; returns its URI."""
        uri = f"oci://{self._plane.registry}/models/{self.namespace}:1"
        (folder / "model.onnx").write_text(content)
        with RegistryClient() as client:
            push_files(client, Reference.parse(uri), folder, ["model.onnx"])
        return uri

    def apply(self, uri: str, name: str = "pages", **spec: Any) -> None:
        """Apply an OptimizedModel."""
        manifest = {
            "apiVersion": "burnish.dev/v1alpha1",
            "kind": "OptimizedModel",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"source": {"uri": uri}, **spec},
        }
        self._plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))

    def get(self, kind: str) -> list[dict[str, Any]]:
        """Objects of the namespace."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-o", "json"))["items"]
        return found

    def kubectl(self, *arguments: str) -> str:
        """kubectl in the namespace."""
        return self._plane.kubectl("-n", self.namespace, *arguments)

    def status(self, name: str = "pages") -> dict[str, Any]:
        """Status of a model."""
        found = next(m for m in self.get("optimizedmodels") if m["metadata"]["name"] == name)
        return dict(found.get("status", {}))

    def condition(self, kind: str, name: str = "pages") -> tuple[str, str]:
        """Status and reason of a condition."""
        conditions = self.status(name).get("conditions", [])
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == kind), ("", ""))

    def is_ready(self, name: str = "pages") -> bool:
        return self.condition("Ready", name)[0] == "True"

    def versions(self) -> dict[str, str]:
        """Resource versions of everything that the operator writes."""
        kinds = ("optimizedmodels", "jobs", "deployments", "services", "acceleratorclasses")
        return {
            f"{kind}/{obj['metadata']['name']}": obj["metadata"]["resourceVersion"]
            for kind in kinds
            for obj in self.get(kind)
        }


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for: {what}")
        time.sleep(0.2)
