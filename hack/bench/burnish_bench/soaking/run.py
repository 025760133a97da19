"""A soak: clients ask until time is up, and the server's memory is watched."""

import asyncio
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from burnish_bench.serving.fleet import free_ports, spawn, stop
from burnish_bench.serving.tools import Ports, burnish_command
from burnish_bench.soaking.clients import Clients, connected
from burnish_bench.soaking.kinds import KINDS, ask
from burnish_bench.soaking.memory import MIB, Sample, Trend, trend
from burnish_bench.soaking.samples import Known
from burnish_runtime.memory import private_bytes_of

START_SECONDS, END_SECONDS = 60.0, 60.0
REQUEST_SECONDS = 60.0
MAX_SAMPLES = 400
MAX_ERRORS = 20


@dataclass
class Soaked:
    """What came of it. errors: how often, by kind and words; the first `MAX_ERRORS` that differ."""

    seconds: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    exit_code: int | None = None
    log_errors: int = 0

    @property
    def trend(self) -> Trend | None:
        """Of memory."""
        return trend(self.samples, self.seconds)

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        counters = {"asked": dict(self.asked), "errors": dict(self.errors)}
        return {**vars(self), **counters, "samples": [asdict(sample) for sample in self.samples]}

    def verdicts(self) -> list[tuple[bool, str]]:
        """What must hold, and what was found."""
        found, total = self.trend, self.errors.total()
        return [
            (
                total == 0,
                f"{self.asked.total():,} requests, {total:,} with another answer than the right one",
            ),
            (found is not None and found.is_flat, f"memory: {told(found)}"),
            (self.exit_code == 0, f"exit code {self.exit_code} after SIGTERM"),
            (self.log_errors == 0, f"{self.log_errors} errors in the log"),
        ]


def told(found: Trend | None) -> str:
    """A trend in words."""
    if found is None:
        return "not told by this system, or the run was too short"
    median, growth, hour, allowed = (
        value / MIB
        for value in (found.median_bytes, found.growth_bytes, found.bytes_per_hour, found.allowed_bytes)
    )
    return (
        f"{median:.1f} MiB private, {growth:+.2f} MiB after warm-up (at most {allowed:.1f}; "
        f"{hour:+.1f} MiB an hour)"
    )


@contextmanager
def served(engine: Path, log: Path) -> Iterator[tuple[Ports, "subprocess.Popen[bytes]"]]:
    """A server of an engine, ready. Raises: RuntimeError: it does not get ready."""
    ports = free_ports()
    process = spawn(burnish_command(engine, ports), log)
    try:
        _await_ready(ports, process, log)
        yield ports, process
    finally:
        stop(process)


def soak(
    engine: Path,
    model: str,
    known: Sequence[Known],
    log: Path,
    *,
    seconds: float,
    concurrency: int,
    seed: int,
) -> Soaked:
    """Start a server, ask it for so long, end it in order. Raises: RuntimeError: it does not start."""
    found = Soaked()
    with served(engine, log) as (ports, process):
        begin = time.monotonic()
        asyncio.run(_ask_all(model, ports, process.pid, known, found, seconds, concurrency, seed))
        found.seconds = time.monotonic() - begin
        found.exit_code = _end(process)
    found.log_errors = sum('"level": "error"' in line for line in log.read_text("utf-8").splitlines())
    return found


async def _ask_all(  # noqa: PLR0917 (one line a fact)
    model: str,
    ports: Ports,
    pid: int,
    known: Sequence[Known],
    found: Soaked,
    seconds: float,
    concurrency: int,
    seed: int,
) -> None:
    end = time.monotonic() + seconds
    async with connected(model, ports) as clients:
        watching = asyncio.create_task(_watch(pid, found, seconds))
        rngs = [random.Random(seed + number) for number in range(concurrency)]
        await asyncio.gather(*(_ask_until(end, clients, known, found, rng) for rng in rngs))
        watching.cancel()


async def _ask_until(
    end: float, clients: Clients, known: Sequence[Known], found: Soaked, rng: random.Random
) -> None:
    weights = [kind.weight for kind in KINDS]
    while time.monotonic() < end:
        kind = rng.choices(KINDS, weights)[0]
        found.asked[kind.name] += 1
        try:
            await asyncio.wait_for(ask(kind, clients, known, rng), REQUEST_SECONDS)
        except Exception as error:  # noqa: BLE001 (whatever a client raises is an error of the soak)
            said = f"{kind.name}: {type(error).__name__}: {error}"[:300]
            found.errors[said if said in found.errors or len(found.errors) < MAX_ERRORS else "others"] += 1


async def _watch(pid: int, found: Soaked, seconds: float) -> None:
    begin = time.monotonic()
    while True:
        found.samples.append(Sample(time.monotonic() - begin, private_bytes_of([pid])))
        await asyncio.sleep(max(0.2, seconds / MAX_SAMPLES))


def _await_ready(ports: Ports, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{ports.http}/v2/health/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.1)
    raise RuntimeError(f"the server does not get ready: {log.read_text('utf-8')[-500:]}")


def _end(process: "subprocess.Popen[bytes]") -> int | None:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        return None
