"""Show long work: a line for each finished step, and a sign of life for those that run.

On a terminal the running steps share one line that is redrawn; off it each running step
writes a line every 30 s, so that a CI log neither floods nor looks dead.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

WIDTH = 58
QUIET_SECONDS = 30.0


class Step:
    """One named piece of work; `detail` may be set while it runs, `cached` when there was nothing to do."""

    def __init__(self, number: int, title: str) -> None:
        self.number = number
        self.title = title
        self.cached = False
        self.detail: Callable[[], str] = str
        self.began = time.monotonic()
        self.told = self.began

    def seconds(self) -> float:
        return time.monotonic() - self.began


def finished_line(step: Step, total: int, outcome: str) -> str:
    """`[ 3/9] kubernetes 1.37.2 (build) ........ 412.3 s`.

    >>> finished_line(Step(3, "certificates"), 12, "0.4 s")
    '[ 3/12] certificates ..................................... 0.4 s'
    """
    head = f"[{step.number:{len(str(total))}}/{total}] {step.title} "
    return f"{head.ljust(WIDTH, '.')} {outcome}"


class Progress:
    """Numbers, times and shows steps; safe to use from several threads."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._running: list[Step] = []
        self._count = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticker.join()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Time the body as one step; its exception passes on after the step is shown as failed."""
        with self._lock:
            self._count += 1
            step = Step(self._count, title)
            self._running.append(step)
        outcome = "failed"
        try:
            yield step
            outcome = "cached" if step.cached else f"{step.seconds():.1f} s"
        finally:
            with self._lock:
                self._running.remove(step)
                self._erase()
                self._write(finished_line(step, self.total, outcome) + "\n")

    def _tick(self) -> None:
        while not self._stop.wait(0.5 if self._live else 1.0):
            with self._lock:
                if self._live:
                    self._redraw()
                else:
                    self._report()
        if self._live:
            self._erase()

    def _redraw(self) -> None:
        shown = " | ".join(
            f"[{step.number}/{self.total}] {step.title} {step.seconds():.0f} s {step.detail()}".rstrip()
            for step in self._running
        )
        self._erase()
        self._write(shown[:110])

    def _report(self) -> None:
        now = time.monotonic()
        for step in self._running:
            if now - step.told >= QUIET_SECONDS:
                step.told = now
                detail = step.detail()
                self._write(f"        {step.title}: {step.seconds():.0f} s{detail and ', ' + detail}\n")

    def _erase(self) -> None:
        if self._live:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
