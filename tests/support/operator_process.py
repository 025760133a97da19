"""The operator as a real process, to be killed like one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from support.registry import free_port

ROOT = Path(__file__).resolve().parents[2]
ROOTS = ("engine", "runtime", "optimizer", "serving", "operator", "cli")


class OperatorProcess:
    """Starts with `start`, dies with `kill`; its log is kept over all its lives."""

    def __init__(
        self, kubeconfig: Path, repository: str, log: Path, *arguments: str, **environment: str
    ) -> None:
        self.metrics_port, self.health_port, self.log = free_port(), free_port(), log
        self._arguments = arguments
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(log.parent),
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": os.pathsep.join(str(ROOT / root) for root in ROOTS),
            "BURNISH_OPTIMIZER_IMAGE": "registry.invalid/optimizer:test",
            "BURNISH_SERVING_IMAGE": "registry.invalid/serving:test",
            "BURNISH_REPOSITORY": repository,
            "BURNISH_LOG_FORMAT": "text",
            "BURNISH_LEADER_ELECT": "false",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """A new process."""
        ports = ("--metrics-port", str(self.metrics_port), "--health-port", str(self.health_port))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "burnish_operator", *ports, *self._arguments],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        if self._process is None:
            raise AssertionError("the operator does not run")
        return self._process.pid

    def send(self, which: signal.Signals) -> None:
        """Send a signal, and do not wait for what it does."""
        if self._process is not None:
            self._process.send_signal(which)

    def ended(self) -> int | None:
        """Its exit status, once it has ended by itself."""
        return self._process.poll() if self._process else None

    def probe(self, path: str) -> int:
        """The status of a probe; 0 where nobody answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.health_port}{path}").status_code
        except httpx.TransportError:
            return 0

    def metric(self, name: str) -> float:
        """The sum of a metric's series; 0 where nobody answers."""
        try:
            text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text
        except httpx.TransportError:
            return 0.0
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.split()[-1]) for line in lines)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End it; return its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(how)
        status = self._process.wait(timeout=60)
        self._process = None
        return status

    def __enter__(self) -> "OperatorProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
