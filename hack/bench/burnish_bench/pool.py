"""Worker processes that may crash or hang: it is told, and a fresh one takes the next request."""

import json
import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from burnish_bench.places import ROOT, python_of
from burnish_runtime.memory import descendants, private_bytes_of

WORKER = Path(__file__).with_name("worker.py")
START_SECONDS = 120.0
POLL_SECONDS = 0.05
MEMORY_LIMIT_BYTES = 8 << 30
PATHS = ("engine", "runtime", "optimizer", "cli", "hack/bench", "hack/demo", "tests")


class CannotStart(Exception):
    """A tool is not there: no case can be judged."""


class Worker:
    """One tool in one process at a time. Use it as a context."""

    def __init__(self, tool: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._tool, self._log = tool, folder / f"{tool}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer; {"error"} where the tool raised, {"crash"} or {"timeout"} where its process ended.

        One that takes more than `MEMORY_LIMIT_BYTES` is ended: a crash. `private_bytes` is the most memory,
        sampled, that was no mapped file's, above what imports had taken.
        """
        process = self._process or self._start()
        _send(process, request)
        line, private = _receive(process, seconds)
        if line is None:
            self.stop()
            return {"timeout": f"no answer in {seconds:.0f} s"}
        if not line.endswith(b"\n"):
            self.stop()
            return {"crash": f"the worker itself ended: {self._last_words()}"}
        found: dict[str, Any] = {"private_bytes": private, **json.loads(line)}
        if "crash" in found:
            found["crash"] += f" at {private >> 20} MiB: {self._last_words()}"
        return found

    def stop(self) -> None:
        """End the process group, for tools start children."""
        process, self._process = self._process, None
        if process is not None:
            _kill(process)

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python_of(self._tool), "-W", "ignore", str(WORKER), self._tool],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
                start_new_session=True,
            )
        line, _ = _receive(self._process, START_SECONDS)
        if not line:
            self.stop()
            raise CannotStart(f"{self._tool} does not start: {self._last_words()}")
        return self._process

    def _last_words(self) -> str:
        lines = self._log.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()
        return " ".join(lines[-1:])[:300]


def _environment() -> dict[str, str]:
    paths = os.pathsep.join(str(ROOT / each) for each in PATHS)
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}


def _send(process: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
    assert process.stdin
    with suppress(BrokenPipeError):  # a dead process: its missing answer tells it
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()


def _receive(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes | None, int]:
    """One line (a part of it where the process ended, None where time ran out), and extra private memory."""
    assert process.stdout
    deadline = time.monotonic() + seconds
    idle, most = private_bytes_of([process.pid]), 0
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], POLL_SECONDS)
        if ready:
            return process.stdout.readline(), max(0, most - idle)
        busy = descendants(process.pid)
        most = max(most, private_bytes_of([process.pid, *busy], at_least=most))
        if most > MEMORY_LIMIT_BYTES and busy:
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(max(busy, key=lambda pid: private_bytes_of([pid])), signal.SIGKILL)
    return None, max(0, most - idle)


def _kill(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    assert process.stdout
    with suppress(ProcessLookupError):  # it ended by itself, with all its children
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with suppress(BrokenPipeError):  # a request that the dead process never read
        process.stdin.close()
