"""How far an optimization is: for people on a terminal, for machines off it."""

import json
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars


class Progress(Protocol):
    """Told of every step. `done` of `total` steps of the whole run are finished."""

    def update(self, stage: str, message: str, done: int, total: int) -> None:
        """A step begins: its stage, what it does, and how far the run is."""


class SilentProgress:
    """Tells nobody."""

    def update(self, stage: str, message: str, done: int, total: int) -> None:
        """See `Progress.update`."""


class JsonProgress:
    """One JSON object a line: `{"time","stage","message","done","total"}`."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr

    def update(self, stage: str, message: str, done: int, total: int) -> None:
        """See `Progress.update`."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "stage": stage, "message": message, "done": done, "total": total}
        print(json.dumps(line, ensure_ascii=False), file=self._stream, flush=True)


class RichProgress:
    """A bar on a terminal. A context manager: the terminal is given back at the end."""

    def __init__(self, console: Console | None = None) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("[bold]{task.fields[stage]:<10}"),
            BarColumn(bar_width=28),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def update(self, stage: str, message: str, done: int, total: int) -> None:
        """See `Progress.update`."""
        if self._task is None:
            self._task = self._bars.add_task(message, total=total, stage=stage)
        self._bars.update(self._task, description=message, stage=stage, completed=done, total=total)


class Numbered:
    """Progress of one thing of many: its steps are parts of one step of the whole."""

    def __init__(self, whole: Progress, name: str, position: int, count: int) -> None:
        self._whole, self._name, self._position, self._count = whole, name, position, count

    def update(self, stage: str, message: str, done: int, total: int) -> None:
        """See `Progress.update`. A whole of `count` × `total` steps."""
        scale = max(total, 1)
        self._whole.update(
            stage, f"{self._name}: {message}", self._position * scale + done, self._count * scale
        )


class Steps:
    """Counts the steps of a run, so that each place only says what it does."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._done, self.total = progress, -1, total

    def begin(self, stage: str, message: str) -> None:
        """The step before is done, and this one begins."""
        self._done = min(self._done + 1, self.total)
        self._progress.update(stage, message, self._done, self.total)

    def note(self, stage: str, message: str) -> None:
        """Another word about the step that is under way."""
        self._progress.update(stage, message, max(self._done, 0), self.total)

    def finish(self, stage: str, message: str) -> None:
        """All is done."""
        self._progress.update(stage, message, self.total, self.total)
