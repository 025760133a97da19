"""Candidates whose process fails on purpose: at load, at the first run, or while it is measured.

The fault travels with the model: `build` writes its name beside the file, and `serve` runs the real probe
around a session that does it.
"""

import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil

from burnish_optimizer.measure import probe
from burnish_optimizer.tasks import BuildResult, BuildTask, ProbeTask
from burnish_runtime.load import open_session
from burnish_runtime.session import Session
from support.optimizer_nets import build_same

RUNS_BEFORE_MEASURING = 20
LEAK_BYTES, MOST_LEAKED = 768 << 20, 4
HOARD: list[object] = []


def build(task: BuildTask) -> BuildResult:
    """The source, and the fault that its settings name."""
    Path(task.folder, "fault").write_text(task.settings["fault"])
    return build_same(task)


def serve(task: ProbeTask) -> object:
    """The real probe around a faulty session; a good one where no fault lies beside the model."""
    beside = Path(task.model).parent / "fault"
    if beside.is_file():
        what, _, when = beside.read_text().partition("-at-")
        probe.open_session = lambda *given: Faulty(open_session(*given), what, when)
    return probe.serve(task)


class Faulty:
    """A session that does `what` when it is loaded, on its first run, or when it is measured."""

    def __init__(self, session: Session, what: str, when: str) -> None:
        self._session, self._what, self._runs = session, what, 0
        self._at = {"load": 0, "first-run": 1, "measuring": RUNS_BEFORE_MEASURING}[when]
        self._maybe()

    def __getattr__(self, name: str) -> object:
        """All but running is the session's own."""
        return getattr(self._session, name)

    def run(self, *given: object) -> object:
        self._runs += 1
        self._maybe()
        return self._session.run(*given)

    def _maybe(self) -> None:
        if self._runs == self._at or (self._what == "leak" and self._runs > self._at):
            FAULTS[self._what]()


def _kill_others() -> None:
    """As the kernel does when it is short of memory, and picks the wrong one of the workers."""
    for other in psutil.Process(os.getppid()).children():
        if other.pid != os.getpid() and "burnish_optimizer.worker" in other.cmdline():
            other.kill()


def _leak() -> None:
    if len(HOARD) < MOST_LEAKED:
        HOARD.append(np.ones(LEAK_BYTES, np.uint8))
        time.sleep(0.2)  # the watcher looks twenty times a second


def _raise() -> None:
    raise RuntimeError("the kernel library gave up")


FAULTS = {
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "abort": lambda: os.kill(os.getpid(), signal.SIGABRT),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(0),
    "raise": _raise,
    "hang": lambda: time.sleep(3600),
    "leak": _leak,
    "others-killed": _kill_others,
}
