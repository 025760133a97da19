"""The chart as the real `helm` renders it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "burnish"
sys.path.insert(0, str(ROOT / "hack" / "cluster"))

Manifests = list[dict[str, Any]]


class HelmError(Exception):
    """What helm said when it refused."""


@pytest.fixture(scope="session")
def helm() -> Callable[..., str]:
    """Runs helm; raises HelmError with its words."""
    from golang import binaries

    program = binaries().links / "helm"

    def run(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise HelmError(done.stderr + done.stdout)
        return done.stdout

    return run


@pytest.fixture
def render(helm: Callable[..., str]) -> Callable[..., Manifests]:
    """The chart's objects for some `--set` values, with images named."""

    def rendered(*values: str, images: bool = True) -> Manifests:
        wanted = ("images.registry=registry.example/burnish", *values) if images else values
        settings = [part for value in wanted for part in ("--set", value)]
        text = helm("template", "burnish", str(CHART), "--namespace", "burnish-system", *settings)
        return [document for document in yaml.safe_load_all(text) if document]

    return rendered
