#!/usr/bin/env python3
"""A real Triton server for the tests, from PyPI: `hack/tritonserver.py` installs it once and tells where.

The package nvidia-pytriton carries the server with its Python backend and no other: tests give it backends
that run the same libraries from Python. It is kept out of .venv, because it wants another NumPy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "0.7.0"
SERVER = Path("pytriton/tritonserver/bin/tritonserver")
BACKEND = Path("pytriton/tritonserver/backends/python")
STUBS = Path("pytriton/tritonserver/python_backend_stubs")


def place() -> Path:
    """Where it is installed: below `$BURNISH_CACHE`, else `burnish` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("BURNISH_CACHE") or Path(home) / "burnish")
    return cache / f"tritonserver-{VERSION}-python{sys.version_info.major}.{sys.version_info.minor}"


def is_installed(folder: Path) -> bool:
    """Whether the server is there; it is moved in when whole."""
    return (folder / SERVER).is_file()


def install(folder: Path) -> None:
    """Install into `folder`, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".triton-", dir=folder.parent) as scratch:
        made = Path(scratch) / "made"
        options = ("--disable-pip-version-check", "-q", "--no-deps", "--target", str(made))
        subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, f"nvidia-pytriton=={VERSION}"], check=True
        )
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stub = made / STUBS / version / "triton_python_backend_stub"
        shutil.copy(stub, made / BACKEND)
        for program in (made / SERVER, made / BACKEND / stub.name):
            program.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def main() -> int:
    """The command; returns its exit code."""
    folder = place()
    if not is_installed(folder):
        install(folder)
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
