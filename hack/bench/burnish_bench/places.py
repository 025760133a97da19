"""Where things are: the peers' own environment, cases, models, results."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from burnish_demo.models import cache_root

ROOT = Path(__file__).resolve().parents[3]
PINS = ROOT / "constraints" / "bench.txt"
RESULTS = ROOT / "dist" / "bench"
PEERS = ("onnxsim", "onnxslim", "onnxscript", "onnxoptimizer")
OURS = ("burnish-portable", "burnish-onnxruntime-cpu")


def python_of(tool: str) -> str:
    """The interpreter that has the tool: peers have an environment of their own, never the project's."""
    return str(peers_folder() / "bin/python") if tool in PEERS else sys.executable


def peers_folder() -> Path:
    """The rewriting and optimizing peers' environment."""
    return environment_folder("bench-peers", PINS)


def environment_folder(name: str, pins: Path) -> Path:
    """One environment for each state of the pins."""
    return cache_root() / f"{name}-{sha256(pins.read_bytes()).hexdigest()[:12]}"


def prepare_peers() -> None:
    """Make the peers' environment where it is not there. Raises: subprocess.CalledProcessError."""
    prepare_environment("bench-peers", PINS, f"the peers ({', '.join(PEERS)})")


def prepare_environment(name: str, pins: Path, title: str) -> Path:
    """The interpreter of an environment with the pinned packages, made where it is not there.

    Raises: subprocess.CalledProcessError: it does not install here.
    """
    folder = environment_folder(name, pins)
    python, stamp = folder / "bin/python", folder / ".complete"
    if not stamp.is_file():
        print(f"installing {title} into {folder}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        options = ("--disable-pip-version-check", "--quiet", "--requirement", pins)
        subprocess.run([python, "-m", "pip", "install", *options], check=True)
        stamp.touch()
    return python


def suites_folder() -> Path:
    """ONNX's own models as cases (see tests/support/onnx_suites.py)."""
    return cache_root() / "onnx-suites"


def models_folder() -> Path:
    """Real models out of wheels: the demo's cache."""
    return cache_root() / "models"
