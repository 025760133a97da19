"""Who serves: the library, its environment, its command line."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from burnish_bench.places import ROOT, prepare_environment
from burnish_bench.serving.modes import MODEL
from burnish_bench.serving.workload import Workload
from burnish_engine import __version__

OURS, GOAL, RAW, NOTHING = "burnish", "burnish-goal", "raw", "nothing"
PROGRAMS = "burnish_bench.serving.programs"
BURNISH = "from burnish_cli.main import main; main()"


@dataclass(frozen=True)
class Ports:
    """Of one server on loopback."""

    http: int
    grpc: int
    metrics: int


Command = Callable[[Workload, Ports], list[str]]


@dataclass(frozen=True)
class Tool:
    """One server.

    pins: the file of its environment, None: the project's own.
    flags: of `burnish serve`.
    capacity_of: asked at overload alone, at twice what this other tool can do.
    """

    name: str
    title: str
    program: str = ""
    pins: Path | None = None
    flags: tuple[str, ...] = ()
    capacity_of: str = ""

    @property
    def is_peer(self) -> bool:
        """Whether it is somebody else's server."""
        return self.pins is not None

    @property
    def is_ours(self) -> bool:
        """Whether it is Burnish."""
        return self.name in {OURS, GOAL}

    def version(self) -> str:
        """Of the library."""
        if self.pins is None:
            return __version__ if self.is_ours else metadata.version("uvloop")
        lines = self.pins.read_text(encoding="utf-8").splitlines()
        return next(line.split("==")[1] for line in lines if line.startswith(f"{self.name}=="))

    def python(self) -> str:
        """The interpreter that has the library, installed where it is not there.

        Raises: subprocess.CalledProcessError: it does not install here.
        """
        if self.pins is None:
            return sys.executable
        return str(prepare_environment(self.pins.stem, self.pins, self.title))

    def command(self, work: Workload, ports: Ports) -> list[str]:
        """The command line that serves the workload."""
        if self.is_ours:
            return burnish_command(work.engine, ports, self.flags)
        source = work.folder if self.name == NOTHING else work.model
        program = ["-W", "ignore", "-m", f"{PROGRAMS}.{self.program}"]
        return [self.python(), *program, str(source), MODEL, str(ports.http), str(ports.grpc)]


def burnish_command(engine: Path, ports: Ports, flags: Sequence[str] = ()) -> list[str]:
    """`burnish serve` on loopback."""
    told = {"http": ports.http, "grpc": ports.grpc, "metrics": ports.metrics}
    each = [part for name, port in told.items() for part in (f"--{name}-port", str(port))]
    return [sys.executable, "-c", BURNISH, "serve", str(engine), "--host", "127.0.0.1", *each, *flags]


def _peer(name: str, title: str) -> Tool:
    pins = ROOT / "constraints" / f"bench-serving-{name}.txt"
    return Tool(name, title, f"{name}_program", pins)


def tools(goal_ms: float) -> list[Tool]:
    """All of them, ours first: with defaults, and for overload with a latency goal."""
    goal = ("--latency-goal-ms", f"{goal_ms:g}")
    return [
        Tool(OURS, "Burnish"),
        Tool(GOAL, f"Burnish, goal {goal_ms:g} ms", flags=goal, capacity_of=OURS),
        _peer("kserve", "KServe"),
        _peer("mlserver", "MLServer"),
        _peer("litserve", "LitServe"),
        Tool(NOTHING, "answers nothing", "nothing_program"),
    ]
