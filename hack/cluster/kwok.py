"""kwok, which plays the kubelets of many nodes: built like Kubernetes itself, from its pinned Go module.

Only the scale bench wants it, so `install` builds it only when asked.
"""

from __future__ import annotations

import os
from pathlib import Path

import golang
from commands import run_logged
from layout import SOURCE, Cache, ClusterError
from progress import Progress

MODULE = SOURCE / "kwok"
PACKAGE = "sigs.k8s.io/kwok/cmd/kwok"
INPUTS = ("go.mod", "go.sum")


def expected(cache: Cache) -> Path:
    """Where the program of this source tree lies, built or not."""
    return cache.root / "kwok" / golang.inputs_digest(MODULE, INPUTS) / "kwok"


def program(cache: Cache | None = None) -> Path:
    """The built program.

    Raises: ClusterError if it is not built yet.
    """
    found = expected(cache or Cache.default())
    if not found.exists():
        raise ClusterError("kwok is not built yet: run `python3 hack/cluster install --kwok` first")
    return found


def install() -> None:
    """Build it, unless it is there."""
    cache = Cache.default()
    target, log = expected(cache), cache.logs / "kwok.log"
    with Progress(1) as progress, progress.step("kwok") as step:
        step.cached = target.exists()
        if step.cached:
            return
        go = golang.system_go() or golang.packaged_go(cache, log)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        options = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(partial)]
        environment = golang.build_environment(cache, go)
        run_logged([str(go), "build", *options, PACKAGE], log, env=environment, cwd=MODULE)
        partial.replace(target)
