"""Find and end a cluster's processes from outside, by what they are and not by remembered numbers.

A pid in a file may name another process by the time that it is read. The supervisor carries
its state folder in its command line instead, so it can be found even if all files are lost.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from layout import SOURCE, ClusterError, State

PROC = Path("/proc")
END_SECONDS = 2.0
SUPERVISE = b"_supervise"


def supervisor_command(state: State) -> list[str]:
    """The command line by which a supervisor is started and recognized."""
    return [sys.executable, str(SOURCE), SUPERVISE.decode(), str(state.root)]


def pids() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def supervisors() -> Iterator[tuple[int, Path]]:
    """Pid and state folder of each running cluster."""
    for pid in pids():
        with suppress(OSError):
            arguments = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
            if len(arguments) > 3 and arguments[2] == SUPERVISE:
                yield pid, Path(os.fsdecode(arguments[3]))


def find_supervisor(state: State) -> int | None:
    """The pid of the cluster's process 1, as the machine counts."""
    return next((pid for pid, root in supervisors() if root == state.root), None)


def running_clusters() -> list[str]:
    return sorted(root.name for _, root in supervisors())


def alive(pid: int) -> bool:
    """Whether a process still runs; a zombie that its parent has not collected does not."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def wait_gone(pid: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            raise ClusterError(f"process {pid} still runs {seconds:.0f} s after it was killed")
        time.sleep(0.02)


def sharing_network(supervisor: int) -> list[int]:
    """Processes that `exec` put into the cluster's network: outside its PID namespace, inside its network.

    Ourselves and our ancestors are left out: whoever asks for `down` from in there may finish.
    """
    network, inside = namespace(supervisor, "net"), namespace(supervisor, "pid")
    ours = ancestors(os.getpid())
    return [
        pid
        for pid in pids()
        if pid not in ours and namespace(pid, "net") == network and namespace(pid, "pid") != inside
    ]


def end(strays: Iterable[int]) -> None:
    """Ask processes to end, then make them."""
    left = [pid for pid in strays if alive(pid)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + END_SECONDS
        while left and time.monotonic() < deadline:
            time.sleep(0.02)
            left = [pid for pid in left if alive(pid)]


def namespace(pid: int, kind: str) -> str | None:
    """The identity of a process' namespace; None for kernel threads and ended processes."""
    try:
        return str((PROC / str(pid) / "ns" / kind).readlink())
    except OSError:
        return None


def ancestors(pid: int) -> set[int]:
    """A process and all that it descends from."""
    found: set[int] = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            pid = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found


def outer_pids(supervisor: int, inner: Mapping[str, int]) -> dict[str, int]:
    """Component -> its pid on the machine, from the pids in the cluster's PID namespace."""
    inside = namespace(supervisor, "pid")
    numbers = {innermost(pid): pid for pid in pids() if namespace(pid, "pid") == inside}
    found = {name: numbers[pid] for name, pid in sorted(inner.items()) if pid in numbers}
    return {"supervisor": supervisor, **found}


def innermost(pid: int) -> int:
    """What a process is called in its own PID namespace."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return 0
