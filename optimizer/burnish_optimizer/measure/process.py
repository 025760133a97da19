"""Worker processes with limits: what a candidate breaks is its own process, never the search."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

from burnish_engine.base import Record
from burnish_engine.errors import one_line
from burnish_optimizer.errors import Declined, NoSpace, OutOfTime, WorkerFailed
from burnish_optimizer.tasks import Task
from burnish_optimizer.worker import NO_SPACE_CODE
from burnish_runtime.memory import descendants, private_bytes_of

R = TypeVar("R", bound=Record)
POLL_SECONDS = 0.05
LOG_TAIL_BYTES = 1500
GRACE_SECONDS = 5.0
FULL = "no space left on the disk: its result could not be written"
LATE = "out of time: killed at its time limit"


class Watched:
    """A child in a process group of its own, killed when it takes more memory or time than allowed.

    Private memory is polled: an address-space limit would stop ONNX Runtime, which reserves far more
    than it uses, and pages of mapped weights count once for every session, and are no memory that is taken.
    """

    def __init__(self, task: Task, folder: Path, *, memory_bytes: int, piped: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.result, self._log = folder / "result.json", folder / "worker.log"
        self.result.unlink(missing_ok=True)
        (folder / "task.json").write_text(task.model_dump_json(), encoding="utf-8")
        self._memory_bytes, self._verdict = memory_bytes, ""
        self._deadline: float | None = None
        self.name = task.run
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "burnish_optimizer.worker",
                    str(folder / "task.json"),
                    str(self.result),
                    str(os.getpid()),
                ],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
                start_new_session=True,
            )
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def allow(self, seconds: float | None) -> None:
        """Give the child this much time from now; None: no limit (it waits for us)."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def kill(self, verdict: str = "") -> None:
        """End the whole group, once."""
        self._verdict = self._verdict or verdict
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Wait for the end, a short time; then make it. What the child started and left behind ends, too."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with suppress(BrokenPipeError):  # a command that a dead child never read
                    stream.close()
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill("did not end when asked to")
            self.process.wait()
        with suppress(ProcessLookupError):  # the group keeps its number as long as one of it lives
            os.killpg(self.process.pid, signal.SIGKILL)
        self._watcher.join()

    def failure(self) -> WorkerFailed:
        """Why there is no result: the evidence."""
        code = self.process.wait()
        what = self._verdict or (_signal_name(-code) if code < 0 else f"exit code {code} without a result")
        tail = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        last = " ".join(tail.splitlines()[-3:])[:400]
        if code == NO_SPACE_CODE and not self._verdict:
            return NoSpace(self.name, found=FULL, expected="room for its result")
        kind = OutOfTime if self._verdict == LATE else WorkerFailed
        return kind(
            self.name, found=what + (f"; its last words: {last}" if last else ""), expected="a result"
        )

    def _watch(self) -> None:
        while self.process.poll() is None:
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self.kill(LATE)
            used = _private_bytes(self.process.pid, self._memory_bytes)
            if used > self._memory_bytes:
                self.kill(
                    f"out of memory: killed at {used >> 20} MiB, the limit is {self._memory_bytes >> 20} MiB"
                )
            time.sleep(POLL_SECONDS)


def run_worker(
    task: Task,
    result_type: type[R],
    folder: Path,
    *,
    seconds: float,
    memory_bytes: int,
    meanwhile: Callable[[], None] | None = None,
) -> R:
    """Run a task to its end.

    Args: meanwhile: called every now and then while it runs.
    Raises: Declined (it does not apply), WorkerFailed (crash, kill, time or memory limit, exception).
    """
    child = Watched(task, folder, memory_bytes=memory_bytes)
    child.allow(seconds)
    try:
        while meanwhile is not None and child.process.poll() is None:
            meanwhile()
            time.sleep(POLL_SECONDS)
        child.process.wait()
    finally:
        child.kill()
        child.close()
    if not child.result.is_file():
        raise child.failure()
    return read_answer(child.result.read_bytes(), result_type, task.run)


def read_answer(data: bytes, result_type: type[R], name: str) -> R:
    """A worker's answer as a record.

    Raises: Declined, WorkerFailed (an error, half a line of a process that died, another result).
    """
    try:
        answer = json.loads(data)
        if "declined" in answer:
            raise Declined(answer["declined"])
        if "error" in answer:
            kind = NoSpace if answer["error"].get("full") else WorkerFailed
            raise kind(name, found=answer["error"]["message"], expected="a result")
        return result_type.model_validate(answer["ok"])
    except (ValueError, KeyError, TypeError) as error:
        found = f"an answer that cannot be read ({one_line(error, 200)})"
        raise WorkerFailed(name, found=found, expected=f"a {result_type.__name__}") from error


def _private_bytes(pid: int, limit: int) -> int:
    """What the process and its descendants take; where the system does not tell, all that is resident."""
    if psutil.LINUX:
        return private_bytes_of([pid, *descendants(pid)], at_least=limit)
    try:
        parent = psutil.Process(pid)
        return sum(int(p.memory_info().rss) for p in (parent, *parent.children(recursive=True)))
    except psutil.Error:
        return 0


def _signal_name(number: int) -> str:
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    hint = " (the kernel's out-of-memory killer sends this)" if number == signal.SIGKILL else ""
    return f"killed by {name}{hint}"
