"""The ServiceAccount and the roles that the chart gives to the operator, on a control plane."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from light import ControlPlane

CHART = Path(__file__).resolve().parents[2] / "charts" / "burnish"
ACCOUNT = "burnish"


def rendered(plane: "ControlPlane", namespace: str, *values: str) -> str:
    """The chart's account and roles, and nothing else of it."""
    shown = ("templates/rbac.yaml", "templates/serviceaccount.yaml")
    arguments = [f"--show-only={name}" for name in shown] + [f"--set={value}" for value in values]
    helm = [str(plane.binaries / "helm"), "template", ACCOUNT, str(CHART), "--namespace", namespace]
    image = "--set=images.registry=registry.invalid/burnish"
    return subprocess.run([*helm, image, *arguments], check=True, capture_output=True, text=True).stdout


def kubeconfig(plane: "ControlPlane", namespace: str, path: Path) -> Path:
    """A kubeconfig that bears the account's token."""
    token = plane.kubectl("-n", namespace, "create", "token", ACCOUNT, "--duration=24h").strip()
    found: dict[str, Any] = yaml.safe_load(plane.kubeconfig.read_text())
    found["users"] = [{"name": "operator", "user": {"token": token}}]
    found["contexts"][0]["context"]["user"] = "operator"
    path.write_text(json.dumps(found))
    return path
