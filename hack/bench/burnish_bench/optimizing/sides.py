"""The parent's side of a `side.py`."""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from burnish_bench.optimizing.cells import SILENT, Built
from burnish_bench.places import ROOT
from burnish_bench.pool import PATHS

OPEN_SECONDS, ROUND_SECONDS = 300.0, 120.0


class SideFailed(Exception):
    """The tool's model broke, hung or died: that is its result, and costs nobody else anything."""


class SideProcess:
    """A tool's model, loaded. Use it as a context."""

    def __init__(self, built: Built, log: Path) -> None:
        self.built, self._log = built, log
        paths = os.pathsep.join(str(ROOT / each) for each in PATHS)
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "burnish_bench.optimizing.side"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env={**os.environ, **SILENT, "PYTHONPATH": paths},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                if pipe:
                    pipe.close()

    def open(self, task: str, feeds: Path, threads: int, **more: Any) -> dict[str, Any]:
        """Load and warm up. Raises (all): SideFailed."""
        built = self.built
        facts = {"model": built.model, "engine": built.engine, "backend": built.backend}
        asked = {**facts, "properties": built.properties, "threads": threads, **more}
        return self._ask({"do": "open", "task": task, "feeds": str(feeds), **asked}, OPEN_SECONDS)

    def answers(self, seconds: float, **asked: Any) -> dict[str, Any]:
        """Predictions, cosine and worst error over the judge's samples."""
        return self._ask({"do": "answers", **asked}, seconds)

    def round(self, seconds: float) -> tuple[float, ...]:
        """Latencies of one window, seconds."""
        return tuple(self._ask({"do": "round", "seconds": seconds}, ROUND_SECONDS)["latencies"])

    def _ask(self, command: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SideFailed(self._ended()) from None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        if not ready:
            raise SideFailed(f"no answer in {seconds:.0f} s")
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise SideFailed(self._ended())
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise SideFailed(told["error"])
        found: dict[str, Any] = told["ok"]
        return found

    def _ended(self) -> str:
        code = self._process.wait()
        lines = self._log.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()
        died = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return f"{died}: {' '.join(lines[-1:])[:300]}"
