"""The operator as a real process, to be killed like one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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
