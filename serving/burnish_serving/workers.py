"""Threads that run engines, so that the event loop never does.

Not `concurrent.futures`: its threads are joined when the interpreter exits, and a model that hangs
would hold up the end of the process beyond what draining may take.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
# Where both want the same processor, the event loop goes first: at overload it must still refuse what comes,
# else requests wait where nobody counts them. An engine then gets a tenth of what the loop gets, and the
# rest of what it leaves.
NICENESS = 10


class Workers:
    """A fixed number of daemon threads over one queue, first come, first served.

    The queue itself is unbounded: whoever submits is counted at the door (`burnish_serving.gate`).
    """

    def __init__(self, name: str, threads: int = 1) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True)
            for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, job: Callable[[], Result]) -> Result:
        """Run a job on a thread. A caller that is cancelled while the job waits takes it along."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._jobs.put(lambda: None if future.cancelled() else _report(loop, future, job))
        return await future

    def start(self, job: Callable[[], Result], ended: Callable[[Result], None]) -> None:
        """Run a job that never raises on a thread, and tell the running event loop what it gave."""
        loop = asyncio.get_running_loop()
        self._jobs.put(lambda: _call(loop, ended, job()))

    def close(self) -> None:
        """End the threads once the queue is empty. Does not wait."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        _step_back()
        while (job := self._jobs.get()) is not None:
            job()
            del job  # its arrays would otherwise live until the next request


def _step_back() -> None:
    if sys.platform != "linux":  # elsewhere priorities are those of a whole process
        return
    with contextlib.suppress(OSError):  # a sandbox may forbid it: it is no reason not to serve
        loops = os.getpriority(os.PRIO_PROCESS, os.getpid())
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), loops + NICENESS)


def _report(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], compute: Callable[[], Any]) -> None:
    try:
        outcome, method = compute(), future.set_result
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
        outcome, method = error, future.set_exception
    _call(loop, _settle, future, method, outcome)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        return  # the loop is closed: the server stopped waiting for this job


def _settle(future: asyncio.Future[Any], method: Callable[[Any], None], outcome: Any) -> None:
    if not future.done():
        method(outcome)
