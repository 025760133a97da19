"""A real server in its own process, for as long as a test needs it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

_PROGRAM = """
import json, pathlib, sys
from burnish_serving.server import run
from burnish_serving.settings import ServeSettings
settings = json.loads(sys.argv[1])
for name in ("cache", "outcome"):
    settings[name] = pathlib.Path(settings[name]) if settings.get(name) else None
settings["verify_keys"] = tuple(pathlib.Path(key) for key in settings.get("verify_keys", ()))
for name in ("further_engines", "swap_from"):
    settings[name] = tuple(settings.get(name, ()))
run(ServeSettings(**settings))
"""
START_SECONDS = 60


@dataclass
class Server:
    """A running server: its ports (from its own log), its log, and its end."""

    process: subprocess.Popen[str]
    log: list[dict[str, Any]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    @property
    def http_port(self) -> int:
        return int(self.logged("listening")["http_port"])

    @property
    def grpc_port(self) -> int:
        return int(self.logged("listening")["grpc_port"])

    @property
    def metrics_port(self) -> int:
        return int(self.logged("listening")["metrics_port"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def logged(self, message: str) -> dict[str, Any]:
        """The first log record with this message, waited for."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = next((record for record in self.log if record["message"] == message), None)
            if found is not None:
                return found
            if self.process.poll() is not None and message != "stopped":
                break
            time.sleep(0.01)
        raise AssertionError(f"{message!r} was not logged: {''.join(self.text)}")

    def metrics(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics").text

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self.process.wait(timeout=START_SECONDS)


@contextmanager
def running_server(
    engine: str, *, environment: dict[str, str] | None = None, **settings: Any
) -> Iterator[Server]:
    """Start a server on free loopback ports. It is killed in the end, if it still runs."""
    settings = {
        "engine": engine,
        "host": "127.0.0.1",
        "http_port": 0,
        "grpc_port": 0,
        "metrics_port": 0,
    } | settings
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, json.dumps(settings)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (environment or {}),
    )
    server = Server(process)
    reader = threading.Thread(target=_read, args=(server,), daemon=True)
    reader.start()
    try:
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=10)
        reader.join(timeout=10)
        assert process.stderr is not None
        process.stderr.close()


def _read(server: Server) -> None:
    assert server.process.stderr is not None
    for line in server.process.stderr:
        server.text.append(line)
        if line.startswith("{"):
            server.log.append(json.loads(line))
