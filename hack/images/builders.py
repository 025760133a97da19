"""buildah and docker, behind one method."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import inputs
from inputs import ROOT

# The project's own storage and isolation settings, where the cluster's tools are at hand.
PROJECT_BUILDAH = (sys.executable, str(ROOT / "hack" / "cluster"), "buildah", "--")
TAIL_LINES = 30


class BuildError(Exception):
    """A builder failed; the text is the end of what it said."""


@dataclass(frozen=True)
class Build:
    """One image to make: its first tag is the one that people use."""

    target: str
    base: str
    repository: str
    tags: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """`repository:tag` of each tag."""
        return tuple(f"{self.repository}:{tag}" for tag in self.tags)

    def arguments(self, wheels: Path) -> list[str]:
        """What both builders understand."""
        arguments = {
            "BASE_IMAGE": self.base,
            "VERSION": inputs.version(),
            "REVISION": inputs.revision(self.target),
        }
        pairs = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        tags = [part for name in self.names for part in ("--tag", name)]
        return [*pairs, *tags, "--target", self.target, "--build-context", f"wheels={wheels}"]


class Builder(Protocol):
    """Makes an image and, if asked, pushes it."""

    def build(self, build: Build, wheels: Path, *, push: bool) -> str:
        """Returns the manifest's digest, or "" where nothing was pushed. Raises: BuildError."""


def of(name: str, *, plain_http: bool) -> Builder:
    """The builder of this name."""
    return Docker() if name == "docker" else Buildah(plain_http)


@dataclass(frozen=True)
class Buildah:
    """Needs no daemon."""

    plain_http: bool

    def build(self, build: Build, wheels: Path, *, push: bool) -> str:
        """One push a tag: layers that are there are not sent twice."""
        tls = ["--tls-verify=false"] if self.plain_http else []
        _run([*PROJECT_BUILDAH, "build", "--layers", *tls, *build.arguments(wheels), str(ROOT)])
        if not push:
            return ""
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "digest"
            for name in build.names:
                _run([*PROJECT_BUILDAH, "push", *tls, "--digestfile", str(written), name, f"docker://{name}"])
            return written.read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class Docker:
    """Docker with BuildKit; an insecure registry is the daemon's own setting."""

    def build(self, build: Build, wheels: Path, *, push: bool) -> str:
        """`docker buildx build`, then a push a tag."""
        _run(
            ["docker", "buildx", "build", "--load", "--provenance=false", *build.arguments(wheels), str(ROOT)]
        )
        if not push:
            return ""
        for name in build.names:
            _run(["docker", "push", name])
        told = _run(["docker", "image", "inspect", build.names[0]])
        digests: list[str] = json.loads(told)[0]["RepoDigests"]
        return next(each.rpartition("@")[2] for each in digests if each.startswith(f"{build.repository}@"))


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]} is not installed") from error
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-TAIL_LINES:])
        raise BuildError(f"`{shlex.join(command[:6])} …` failed with status {done.returncode}:\n{said}")
    return done.stdout
