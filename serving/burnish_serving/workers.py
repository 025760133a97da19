"""Threads that run engines, so that the event loop never does.

Not `concurrent.futures`: its threads are joined when the interpreter exits, and a model that hangs
would hold up the end of the process beyond what draining may take.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Timed(Generic[Result]):
    """What a job gave, how long it waited for a thread, and how long it ran."""

    value: Result
    queue_seconds: float
    compute_seconds: float


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

    async def run(self, job: Callable[[], Result]) -> Timed[Result]:
        """Run a job on a thread. A caller that is cancelled while the job waits takes it along."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Timed[Result]] = loop.create_future()
        submitted = time.perf_counter()

        def work() -> None:
            if not future.cancelled():
                _report(loop, future, lambda: _timed(job, submitted))

        self._jobs.put(work)
        return await future

    def close(self) -> None:
        """End the threads once the queue is empty. Does not wait."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # its arrays would otherwise live until the next request


def _timed(job: Callable[[], Result], submitted: float) -> Timed[Result]:
    started = time.perf_counter()
    value = job()
    return Timed(value, started - submitted, time.perf_counter() - started)


def _report(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], compute: Callable[[], Any]) -> None:
    try:
        outcome, method = compute(), future.set_result
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
        outcome, method = error, future.set_exception
    try:
        loop.call_soon_threadsafe(_settle, future, method, outcome)
    except RuntimeError:
        return  # the loop is closed: the server stopped waiting for this job


def _settle(future: asyncio.Future[Any], method: Callable[[Any], None], outcome: Any) -> None:
    if not future.done():
        method(outcome)
