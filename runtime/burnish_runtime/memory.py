"""Resident memory of this process, now and at its highest, in bytes."""

import ctypes
import gc
import resource
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Self

STATUS = Path("/proc/self/status")
SAMPLE_SECONDS = 0.02


def parse_status(text: str, field: str) -> int | None:
    """Bytes of a `kB` field of `/proc/<pid>/status`, such as VmRSS or VmHWM; None where it is absent."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == field and value.split()[1:] == ["kB"]:
            return int(value.split()[0]) * 1024
    return None


def current_bytes() -> int:
    """Resident bytes now; where the system does not tell (macOS), the peak."""
    found = _from_status("VmRSS")
    return _rusage_bytes() if found is None else found


def peak_bytes() -> int:
    """Highest resident bytes since this program started.

    From VmHWM where there is one: `getrusage` also counts the process that forked this one.
    """
    found = _from_status("VmHWM")
    return _rusage_bytes() if found is None else found


def private_bytes() -> int:
    """Resident bytes now that are no file's; where the system does not tell, all of them.

    Pages of a mapped file count once for every mapping, and go by themselves when memory is short.
    """
    found = _from_status("RssAnon")
    return current_bytes() if found is None else found


def private_bytes_of(pids: Collection[int], at_least: int = 0) -> int:
    """Resident bytes of several processes that are no file's: what forks share counts once.

    That is slow to tell: where a quick count, which counts it for every fork, is below `at_least`, that is
    what is returned. Processes that have gone count nothing.
    """
    quick = sum(_of_process(pid, "status", "RssAnon") for pid in pids)
    if quick < at_least or len(pids) == 1:
        return quick
    return sum(_of_process(pid, "smaps_rollup", "Pss_Anon") for pid in pids)


def descendants(pid: int) -> list[int]:
    """Processes that a process started, and those that they started (Linux); none where it has gone.

    Asked of the kernel for this process alone: a look through all processes takes milliseconds.
    """
    found: list[int] = []
    with suppress(OSError):  # it may end at any moment
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # and a thread of it before
                children = (task / "children").read_text(encoding="utf-8")
                found += [int(child) for child in children.split()]
    return [*found, *(below for child in found for below in descendants(child))]


def _of_process(pid: int, file: str, field: str) -> int:
    try:
        return parse_status(Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8"), field) or 0
    except OSError:
        return 0


def give_back() -> None:
    """Let the C library return what was freed: a limit counts pages that it keeps for later."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)


class PrivatePeak:
    """The most private bytes of this process while the context lasts, sampled: the kernel keeps no peak.

    What a library takes and gives back within one call that holds Python's lock is not seen, and what forks
    take beyond the pages that they share is theirs.
    """

    def __init__(self) -> None:
        self._most, self._over, self._lock = private_bytes(), threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def bytes(self) -> int:
        """The most so far."""
        with self._lock:
            self._most = max(self._most, private_bytes())
            return self._most

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            _ = self.bytes


def _from_status(field: str) -> int | None:
    try:
        return parse_status(STATUS.read_text(encoding="utf-8"), field)
    except OSError:
        return None


def _rusage_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
