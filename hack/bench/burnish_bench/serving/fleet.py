"""Servers as processes: started together, each kept on the same processors, ended whatever happens."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from burnish_bench.places import ROOT
from burnish_bench.serving.clients import probe
from burnish_bench.serving.modes import Mode
from burnish_bench.serving.tools import Ports, Tool
from burnish_bench.serving.workload import Workload

START_SECONDS = 120.0
GRPC_SECONDS = 5.0  # more than the HTTP port took
ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.1
PORTS = (20_000, 32_000)
PATHS = ("engine", "runtime", "serving", "optimizer", "operator", "cli", "hack/bench", "hack/demo", "tests")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass
class Server:
    """A server that was started; `failed`: why it cannot be asked, by mode."""

    tool: Tool
    ports: Ports
    process: subprocess.Popen[bytes]
    log: Path
    failed: dict[Mode, str] = field(default_factory=dict)

    def port(self, mode: Mode) -> int:
        """Where a mode is asked."""
        return self.ports.grpc if mode.is_grpc else self.ports.http

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()
        return " ".join(lines[-1:])[:300]


@dataclass(frozen=True)
class Processors:
    """Which processors servers and clients are kept on; empty: wherever the system puts them."""

    servers: frozenset[int]
    clients: frozenset[int]


def split_processors(available: Sequence[int], servers: int) -> Processors:
    """The last ones for servers, the others for clients; with a single one there is nothing to split."""
    if len(available) < 2:
        return Processors(frozenset(), frozenset())
    count = min(servers, len(available) - 1)
    return Processors(frozenset(available[-count:]), frozenset(available[:-count]))


def environment() -> dict[str, str]:
    """Of servers and clients: the project's folders, one thread a library, no telemetry."""
    paths = os.pathsep.join(str(ROOT / path) for path in PATHS)
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": paths, "ORT_DISABLE_TELEMETRY": "1"}


@contextmanager
def running(
    tools: Sequence[Tool], work: Workload, modes: Sequence[Mode], logs: Path, processors: frozenset[int]
) -> Iterator[dict[str, Server]]:
    """Servers by tool, asked once in every mode: what cannot answer right is in `failed`.

    A tool whose environment does not install is not among them: `prepare` tells why.
    """
    logs.mkdir(parents=True, exist_ok=True)
    servers = {tool.name: _start(tool, work, logs, processors) for tool in tools}
    try:
        for server in servers.values():
            _await(server.ports.http, server.process, START_SECONDS)
            for mode in modes:
                server.failed |= _reason(server, mode, work)
        yield servers
    finally:
        for server in servers.values():
            stop(server.process)


def prepare(tools: Sequence[Tool]) -> tuple[list[Tool], dict[str, str]]:
    """The tools that are installed here, and why others are not."""
    ready, missing = [], {}
    for tool in tools:
        try:
            tool.python()
            ready.append(tool)
        except (subprocess.CalledProcessError, OSError) as error:
            missing[tool.name] = f"does not install here: {error}"
    return ready, missing


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def pin(pid: int, processors: frozenset[int]) -> None:
    """Keep a process on processors, where the system can do that."""
    if processors and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, processors)


@contextmanager
def kept_on(processors: frozenset[int]) -> Iterator[None]:
    """This process, whose children inherit it, on processors."""
    before = frozenset(os.sched_getaffinity(0)) if processors else frozenset()
    pin(0, processors)
    try:
        yield
    finally:
        pin(0, before)


def free_ports() -> Ports:
    """Three ports that nobody listens on, below those that the system gives to connections."""
    found: set[int] = set()
    while len(found) < 3:
        port = random.randrange(*PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return Ports(*found)


def _start(tool: Tool, work: Workload, logs: Path, processors: frozenset[int]) -> Server:
    ports, log = free_ports(), logs / f"{tool.name}.log"
    process = spawn(tool.command(work, ports), log)
    pin(process.pid, processors)  # before it has threads: they inherit it
    return Server(tool, ports, process, log)


def spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a server whose output goes to a file; it works in that file's folder."""
    with log.open("wb") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(),
            cwd=log.parent,
            start_new_session=True,
        )


def _await(port: int, process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until somebody listens; False where the process is gone or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _reason(server: Server, mode: Mode, work: Workload) -> Mapping[Mode, str]:
    """Why the server cannot be asked in this mode; nothing where it answers right."""
    listens = _await(server.port(mode), server.process, GRPC_SECONDS if mode.is_grpc else START_SECONDS)
    if server.process.poll() is not None:
        return {mode: f"ended while it started: {server.last_words()}"}
    if not listens:
        return {mode: f"nothing listens on its {'gRPC' if mode.is_grpc else 'HTTP'} port"}
    found = probe.reason(server.port(mode), mode, work, wait_seconds=ANSWER_SECONDS)
    return {mode: found} if found else {}
