"""Resident memory of this process, now and at its highest, in bytes."""

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


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


def _from_status(field: str) -> int | None:
    try:
        return parse_status(STATUS.read_text(encoding="utf-8"), field)
    except OSError:
        return None


def _rusage_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
