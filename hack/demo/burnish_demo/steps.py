"""Named, timed steps: a spinner each on a terminal, plain lines off it, and a list at the end.

Steps may run side by side in threads. Off a terminal a running step shows a sign of life every
30 s, so that a CI log neither floods nor looks dead.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

QUIET_SECONDS = 30.0
DETAIL_WIDTH = 60


@dataclass
class Step:
    """One piece of work. `tell` says what it is at; `note` is what its finished line adds."""

    title: str
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    detail: str = ""
    note: str = ""
    failed: bool = False
    told: float = field(default_factory=time.monotonic)

    def tell(self, detail: str) -> None:
        if detail:
            self.detail = detail

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self.began if self.seconds is None else self.seconds


def finished_line(step: Step) -> str:
    """Rich markup: a mark, the title, dots, the seconds, the note.

    >>> finished_line(Step("cluster", seconds=1.25, note="2 nodes"))
    '[green]✓[/] cluster ............................................   1.2 s  [dim]2 nodes[/]'
    """
    mark = "[red]✗[/]" if step.failed else "[green]✓[/]"
    note = f"  [dim]{escape(step.note)}[/]" if step.note else ""
    return f"{mark} {escape(step.title + ' '):.<52} {step.elapsed_seconds:5.1f} s{note}"


class Steps:
    """Shows and remembers steps; safe to use from several threads."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.finished: list[Step] = []
        self._began = time.monotonic()
        self._running: dict[TaskID, Step] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}[/]"),
            console=console,
        )
        self._live = Live(self._progress, console=console, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._ticker.join()
        if self._live:
            self._live.stop()

    def show(self, below: RenderableType | None) -> None:
        """Something to see below the running steps, on a terminal; None takes it away."""
        if self._live:
            self._live.update(Group(self._progress, below) if below is not None else self._progress)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Time the body; its exception passes on after the step is shown as failed."""
        step = Step(title)
        task = self._progress.add_task(escape(title), detail="", total=None)
        with self._lock:
            self._running[task] = step
        step.failed = True
        try:
            yield step
            step.failed = False
        finally:
            step.seconds = step.elapsed_seconds
            with self._lock:
                del self._running[task]
                self.finished.append(step)
            self._progress.remove_task(task)
            self.console.print(finished_line(step), highlight=False, soft_wrap=True)

    @property
    def total_seconds(self) -> float:
        return time.monotonic() - self._began

    def summary(self) -> Table:
        """What took how long. Steps that ran side by side sum to more than the total."""
        table = Table(title="Where the time went", title_justify="left", box=None, padding=(0, 2, 0, 0))
        table.add_column("step")
        table.add_column("seconds", justify="right")
        for step in self.finished:
            table.add_row(escape(step.title), f"{step.elapsed_seconds:.1f}")
        table.add_row("[bold]total (some ran side by side)[/]", f"[bold]{self.total_seconds:.1f}[/]")
        return table

    def _tick(self) -> None:
        while not self._stop.wait(0.5):
            with self._lock:
                running = list(self._running.items())
            for task, step in running:
                self._show(task, step)

    def _show(self, task: TaskID, step: Step) -> None:
        if self.console.is_terminal:
            self._progress.update(task, detail=escape(step.detail[:DETAIL_WIDTH]))
        elif time.monotonic() - step.told >= QUIET_SECONDS:
            step.told = time.monotonic()
            doing = f": {step.detail}" if step.detail else ""
            self.console.print(
                f"  … {escape(step.title)}, {step.elapsed_seconds:.0f} s{escape(doing)}",
                highlight=False,
                soft_wrap=True,
            )
