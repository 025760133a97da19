"""What an image is made of, and the digest of it: same inputs, same image, nothing to build."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMON = ("Dockerfile", ".dockerignore", "hack/images/install", "constraints/core.txt", "engine")
OF_TARGET = {
    "operator": ("constraints/operator.txt", "operator"),
    "optimizer": (
        "constraints/runtime.txt",
        "constraints/optimizer.txt",
        "hack/images/burnish",
        "runtime",
        "optimizer",
        "cli",
    ),
    "serving": (
        "constraints/runtime.txt",
        "constraints/serving.txt",
        "hack/images/burnish",
        "runtime",
        "serving",
        "cli",
    ),
}


def paths(target: str) -> tuple[str, ...]:
    """Files and folders, from the root, that the image is made of."""
    return COMMON + OF_TARGET[target]


def _files(name: str) -> Iterator[Path]:
    path = ROOT / name
    if path.is_file():
        yield path
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts and file.suffix not in {".pyc", ".pyo"}:
            yield file


def digest_of(target: str, base: str) -> str:
    """Hexadecimal SHA-256 of names and content of every input, and of the base's reference."""
    hasher = hashlib.sha256(f"{target}\n{base}\n".encode())
    for name in paths(target):
        for file in _files(name):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            hasher.update(f"{content}  {file.relative_to(ROOT).as_posix()}\n".encode())
    return hasher.hexdigest()


def version() -> str:
    """The version that the code says it is."""
    text = (ROOT / "engine" / "burnish_engine" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    return found.group(1) if found else "0.0.0"


def revision(target: str) -> str:
    """The last commit that changed an input; "unknown" outside a git checkout."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%H", "--", *paths(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"
