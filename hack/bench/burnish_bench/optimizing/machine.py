"""What figures are of: the machine, the versions, the day."""

import platform
import time
from importlib import metadata
from typing import Any

from burnish_bench.places import PINS
from burnish_engine import __version__
from burnish_optimizer.targets.fingerprint import fingerprint

RUNTIMES = ("onnxruntime", "openvino")
PEERS = ("nncf", "onnxslim")


def facts() -> dict[str, Any]:
    """The fingerprint of this machine, versions, the date."""
    pins = dict(line.split("==") for line in PINS.read_text(encoding="utf-8").splitlines() if "==" in line)
    versions = {name: metadata.version(name) for name in RUNTIMES} | {name: pins[name] for name in PEERS}
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": fingerprint(),
        "versions": {"burnish": __version__, "python": platform.python_version(), **versions},
    }
