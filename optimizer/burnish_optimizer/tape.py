"""What a function returns, time after time, worked out ahead by a fork of this process.

The fork and this process call the function in the same order with the same arguments; what the one has got
the other need not work out again. Arrays travel through a file that has no name.
"""

import os
import tempfile
from collections.abc import Callable
from typing import IO, Any, Self

import numpy as np

from burnish_optimizer.aside import Aside, Json
from burnish_optimizer.errors import WorkerFailed

Arrays = dict[str, Any]
Function = Callable[[Arrays], Arrays]
PLAIN = "fiub"


class Refused(Exception):
    """The function raised in the fork; its words."""


class Tape:
    """Calls of some functions, in one order."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._aside: Aside | None = None
        self._told: list[Json] | None = None
        self._records = False
        self._recorded: list[Json] = []
        self._next, self._end = 0, 0
        self._file: IO[bytes] | None = None

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

    def of(self, function: Function) -> Function:
        """The function, answered from the tape where that has the answer."""

        def call(given: Arrays) -> Arrays:
            if self._records:
                return self._recording(function, given)
            told = self._of_fork()
            return function(given) if told is None or told.get("again") else self._replayed(told)

        return call

    def _record(self, calls: Callable[[], object]) -> Json:
        self._records = True
        calls()
        return {"calls": self._recorded}

    def _recording(self, function: Function, given: Arrays) -> Arrays:
        try:
            found = function(given)
        except Exception as error:
            self._recorded.append({"refused": f"{error}"})
            raise
        plain = all(isinstance(v, np.ndarray) and v.dtype.kind in PLAIN for v in found.values())
        places = self._written(found) if plain else None
        self._recorded.append({"again": True} if places is None else {"arrays": places})
        return found

    def _written(self, found: Arrays) -> Json | None:
        """Where the arrays are; None where there is no room for them: that is no answer of the function."""
        places: Json = {}
        try:
            for name, array in found.items():
                held = memoryview(np.ascontiguousarray(array).tobytes())
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

    def _of_fork(self) -> Json | None:
        """What the fork has got for the next call; None where it has nothing. Other forks cannot ask."""
        if self._aside is None or os.getpid() != self._owner:
            return None
        if self._told is None:
            try:
                self._told = self._aside.result()["calls"]
            except WorkerFailed:  # it died of what it ran: that is found out again, here
                self._told = []
        self._next += 1
        return self._told[self._next - 1] if self._next <= len(self._told) else None

    def _replayed(self, told: Json) -> Arrays:
        if "refused" in told:
            raise Refused(told["refused"])
        return {name: self._read(*place) for name, place in told["arrays"].items()}

    def _read(self, start: int, dtype: str, shape: list[int]) -> Any:
        kind = np.dtype(dtype)
        size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
        held = bytearray(os.pread(self._place, size, start)) if size else bytearray()
        return np.frombuffer(held, kind).reshape(shape)
