"""A folder with every wheel that the images need, fetched on the host.

pip runs here, with whatever index, certificates and credentials this machine is configured for; the build
sees files alone, so none of that can end up in a layer.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from inputs import ROOT

FILES = ("build", "core", "runtime", "operator", "optimizer", "serving")
STREAMS = 3  # one pip downloads one file at a time


class WheelError(Exception):
    """pip could not fetch something; the text is its own."""


def cache_root() -> Path:
    """`$BURNISH_CACHE`, else `burnish` under the user's cache folder."""
    override = os.environ.get("BURNISH_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(override).resolve() if override else Path(home).resolve() / "burnish"


def pins() -> list[str]:
    """`name==version` of pip and of every package in any image."""
    lines: set[str] = set()
    for name in FILES:
        text = (ROOT / "constraints" / f"{name}.txt").read_text(encoding="utf-8")
        lines |= {line for line in text.splitlines() if line and not line.startswith("#")}
    return sorted(lines)


@cache
def folder(python: str, say: Callable[[str], None]) -> Path:
    """The folder, complete for these pins; older wheels are removed from it.

    Raises: WheelError: a package has no wheel for this platform, or pip cannot reach its index.
    """
    wanted = pins()
    name = hashlib.sha256("\n".join([python, *wanted]).encode()).hexdigest()[:16]
    target = cache_root() / "wheels" / name
    if target.is_dir():
        return target
    partial = target.with_name(f"{name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    say(f"fetching {len(wanted)} wheels")
    _download(wanted, partial, python)
    partial.rename(target)
    for other in target.parent.iterdir():
        if other != target:
            shutil.rmtree(other)
    return target


def _download(wanted: Sequence[str], into: Path, python: str) -> None:
    command = [*_pip(), "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(into)]
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        command += ["--python-version", python]
    shares = [share for share in (wanted[start::STREAMS] for start in range(STREAMS)) if share]
    running = [
        subprocess.Popen([*command, *share], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for share in shares
    ]
    told = [process.communicate()[0] for process in running]
    if failures := [text for process, text in zip(running, told, strict=True) if process.returncode]:
        raise WheelError(f"pip download failed:\n{failures[0].strip()}")
    missing = [pin for pin in wanted if not _has(into, pin)]
    if missing:
        raise WheelError(f"pip said yes, and there is no wheel of {', '.join(missing)}")


def _has(folder_path: Path, pin: str) -> bool:
    name, _, version = pin.partition("==")
    stem = f"{re.sub(r'[-_.]+', '_', name)}-{version}-".lower()
    return any(file.name.lower().startswith(stem) for file in folder_path.glob("*.whl"))


def _pip() -> list[str]:
    """This interpreter's pip, or one in a venv of its own: a bare Debian has none."""
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    if probe.returncode == 0:
        return [sys.executable, "-m", "pip"]
    home = cache_root() / "pip"
    if not (home / "bin" / "python").exists():
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(home)], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise WheelError(
                f"no pip, and no venv either (apt-get install python3-venv): {made.stdout.strip()}"
            )
    return [str(home / "bin" / "python"), "-m", "pip"]
