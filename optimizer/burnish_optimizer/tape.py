"""What a function returns, time after time, worked out ahead by a fork of this process.

The fork and this process call the function in the same order with the same arguments; what the one has got
the other need not work out again. Arrays travel through a file that has no name.
"""

import math
import mmap
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, Self

import numpy as np

from burnish_optimizer.aside import Aside, Json
from burnish_optimizer.errors import WorkerFailed

Arrays = dict[str, Any]
Function = Callable[[Arrays], Arrays]
PLAIN = "fiub"
# Where arrays begin: kernels want aligned ones.
ALIGNED_BYTES = 64


class Refused(Exception):
    """The function raised in the fork; its words."""


class Taped:
    """A function whose answers a tape may have. shortest_seconds: of those calls that were answered."""

    def __init__(self, tape: "Tape", number: int, function: Function) -> None:
        self._tape, self._number, self._function = tape, number, function
        self.shortest_seconds = math.inf

    def __call__(self, given: Arrays) -> Arrays:
        """The answer. Raises: whatever the function raises."""
        found, seconds = self._tape.call(self._number, self._function, given)
        self.shortest_seconds = min(self.shortest_seconds, seconds)
        return found


class Tape:
    """Calls of some functions, in one order."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._aside: Aside | None = None
        self._told: list[Json] | None = None
        self._records = False
        self._recorded: list[Json] = []
        self._functions, self._next, self._end = 0, 0, 0
        self._file: IO[bytes] | None = None
        self._held: mmap.mmap | None = None

    def __enter__(self) -> Self:
        """It ends with the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nobody calls any more."""
        if self._aside is not None and self._told is None and os.getpid() == self._owner:
            self._aside.cancel()
        self._aside = None
        if self._file is not None:
            self._file.close()

    def ahead(self, calls: Callable[[], object]) -> None:
        """Let a fork do the calls that this process is going to do. Where none is to be had, none does; nor
        where there is no place for arrays."""
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it ends with the tape
            self._aside = Aside("runs ahead", lambda: self._record(calls))
        except OSError:
            self._aside = None

    @property
    def is_ahead(self) -> bool:
        """Whether a fork makes calls, or has made them."""
        return self._records or self._aside is not None

    @property
    def is_ready(self) -> bool:
        """Whether no call waits for the fork."""
        return self._aside is None or self._told is not None or self._aside.is_ready

    def of(self, function: Function) -> Taped:
        """The function, answered from the tape where that has the answer.

        Functions that come after `ahead` are to come in the same order in the fork and here.
        """
        self._functions += 1
        return Taped(self, self._functions, function)

    def call(self, number: int, function: Function, given: Arrays) -> tuple[Arrays, float]:
        """The answer of a function that is told by its number, and the seconds that it took.

        Raises: whatever the function raises, as it is or as `Refused`.
        """
        if self._records:
            return self._recording(number, function, given)
        told = self._of_fork(number)
        if told is None or told.get("again"):
            return _timed(function, given)
        return self._replayed(told), told.get("seconds", math.inf)

    def _record(self, calls: Callable[[], object]) -> Json:
        self._records = True
        with suppress(Exception):  # it is raised here too, once the calls before it are replayed
            calls()
        return {"calls": self._recorded}

    def _recording(self, number: int, function: Function, given: Arrays) -> tuple[Arrays, float]:
        try:
            found, seconds = _timed(function, given)
        except Exception as error:
            self._recorded.append({"of": number, "refused": f"{error}"})
            raise
        plain = all(isinstance(v, np.ndarray) and v.dtype.kind in PLAIN for v in found.values())
        places = self._written(found) if plain else None
        told = {"again": True} if places is None else {"arrays": places, "seconds": seconds}
        self._recorded.append({"of": number, **told})
        return found, seconds

    def _written(self, found: Arrays) -> Json | None:
        """Where the arrays are; None where there is no room for them: that is no answer of the function."""
        places: Json = {}
        try:
            for name, array in found.items():
                held = memoryview(np.ascontiguousarray(array).tobytes())
                self._end += -self._end % ALIGNED_BYTES
                places[name] = [self._end, array.dtype.str, list(array.shape)]
                while held:
                    count = os.pwrite(self._place, held, self._end)
                    self._end, held = self._end + count, held[count:]
        except OSError:
            return None
        return places

    @property
    def _place(self) -> int:
        assert self._file is not None  # noqa: S101 - arrays are written and read behind `ahead` alone
        return self._file.fileno()

    def _of_fork(self, number: int) -> Json | None:
        """What the fork has got for the next call; None where it has nothing. Other forks cannot ask."""
        if self._aside is None or os.getpid() != self._owner:
            return None
        if self._told is None:
            try:
                self._told = self._aside.result()["calls"]
            except WorkerFailed:  # it died of what it ran: that is found out again, here
                self._told = []
        self._next += 1
        if self._next > len(self._told) or self._told[self._next - 1]["of"] != number:
            self._told = []  # (of another function: they went different ways, and the rest is worth nothing)
            return None
        return self._told[self._next - 1]

    def _replayed(self, told: Json) -> Arrays:
        if "refused" in told:
            raise Refused(told["refused"])
        return {name: self._read(*place) for name, place in told["arrays"].items()}

    def _read(self, start: int, dtype: str, shape: list[int]) -> Any:
        kind, count = np.dtype(dtype), int(np.prod(shape, dtype=np.int64))
        if not count:
            return np.empty(shape, kind)
        if self._held is None:  # (what is written to it stays with this process)
            self._held = mmap.mmap(self._place, 0, access=mmap.ACCESS_COPY)
        return np.frombuffer(self._held, kind, count, start).reshape(shape)


def _timed(function: Function, given: Arrays) -> tuple[Arrays, float]:
    started = time.perf_counter()
    found = function(given)
    return found, time.perf_counter() - started
