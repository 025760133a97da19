"""A function's result, worked out by a fork of this process while it goes on.

A fork has all that the function needs without copying it: models, weights, captured values. What it learns
is lost but for the result, which comes back as JSON. Only for processes that started no threads of their
own: workers, not libraries.
"""

import json
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from burnish_optimizer.errors import WorkerFailed
from burnish_optimizer.lifetime import die_with_parent

Json = dict[str, Any]


class Aside:
    """One function in one fork. End it with `result` or `cancel`."""

    def __init__(self, name: str, function: Callable[[], Json]) -> None:
        """Start it. Args: name: what it is, for its failure.

        Raises: OSError: no process is to be had.
        """
        self.name, parent = name, os.getpid()
        reader, writer = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if self._pid == 0:
            os.close(reader)
            _child(parent, writer, function)
        os.close(writer)
        self._pipe: BinaryIO = os.fdopen(reader, "rb")

    @property
    def is_ready(self) -> bool:
        """Whether `result` need not wait, or hardly."""
        return bool(select.select([self._pipe], [], [], 0)[0])

    def result(self) -> Json:
        """What the function returned, with its `seconds`; waits for it.

        Raises: WorkerFailed: it raised, or its process died.
        """
        with self._pipe:
            text = self._pipe.read()
        _, status = os.waitpid(self._pid, 0)
        if not text or status:  # (half of a result may have been written)
            code = os.waitstatus_to_exitcode(status)
            what = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            raise WorkerFailed(self.name, found=f"its process ended: {what}", expected="a result")
        found: Json = json.loads(text)
        if "error" in found:
            raise WorkerFailed(self.name, found=found["error"], expected="a result")
        return found

    def cancel(self) -> None:
        """Nobody wants it any more."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._pipe.close()


def _child(parent: int, writer: int, function: Callable[[], Json]) -> None:
    """Never returns: nothing of this process's end (files, pools, handlers) is the fork's to run."""
    try:
        die_with_parent(parent)
        started = time.perf_counter()
        try:
            found = {**function(), "seconds": time.perf_counter() - started}
        except Exception as error:  # noqa: BLE001 - told to who asked
            found = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(found).encode())
    finally:
        os._exit(0)
