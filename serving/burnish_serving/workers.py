"""Threads that run engines, so that the event loop never does.

Not `concurrent.futures`: its threads are joined when the interpreter exits, and a model that hangs
would hold up the end of the process beyond what draining may take.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


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
        while (job := self._jobs.get()) is not None:
            job()
            del job  # its arrays would otherwise live until the next request


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
