"""A real Triton server in a process of its own, with backends that run our libraries from Python."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "hack"))

import tritonserver  # noqa: E402

SHIM = Path(__file__).parent / "triton_backend.py"
START_SECONDS = 60
END_SECONDS = 30


@dataclass(frozen=True)
class Server:
    """A running server, ready or not."""

    http: str
    grpc: str
    metrics: str

    def get(self, path: str) -> httpx.Response:
        """An answer of the HTTP port."""
        return httpx.get(f"http://{self.http}{path}")


class DidNotStart(Exception):
    """The server ended by itself; the text is what it said."""


def installed() -> Path:
    """Where the server lies; skips the test where it is not installed, or cannot run."""
    folder = tritonserver.place()
    if not tritonserver.is_installed(folder):
        pytest.skip("no Triton server here: hack/tritonserver.py installs one (make triton-install)")
    stub = folder / tritonserver.BACKEND / "triton_python_backend_stub"
    linked = subprocess.run(
        ["ldd", str(stub)], capture_output=True, text=True, env=_environment(), check=False
    )
    if linked.returncode != 0 or "not found" in linked.stdout:
        pytest.skip(f"Triton's Python backend cannot run here: {linked.stdout}{linked.stderr}")
    return folder


@contextmanager
def running(arguments: Sequence[str], scratch: Path) -> Iterator[Server]:
    """Start the server with these arguments, and ports of its own in place of theirs.

    Raises: DidNotStart: it ended before it was ready.
    """
    folder = installed()
    ports = dict(zip(("http", "grpc", "metrics"), _free_ports(3), strict=True))
    told = [argument for argument in arguments if "-port=" not in argument]
    assert len(arguments) - len(told) == len(ports), arguments
    command = [
        str(folder / tritonserver.SERVER),
        *told,
        *(f"--{name}-port={port}" for name, port in ports.items()),
        f"--backend-directory={_backends(folder, scratch / 'backends')}",
    ]
    log = scratch / "triton.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=_environment())
    try:
        server = Server(**{name: f"127.0.0.1:{port}" for name, port in ports.items()})
        _wait_ready(server, process, log)
        yield server
    finally:
        _end(process)


def _backends(folder: Path, made: Path) -> Path:
    """Triton's Python backend, and the two that it makes of our file."""
    made.mkdir()
    (made / "python").symlink_to(folder / tritonserver.BACKEND)
    for name in ("onnxruntime", "openvino"):
        (made / name).mkdir()
        shutil.copy(SHIM, made / name / "model.py")
        (made / name / "path.json").write_text(json.dumps([sysconfig.get_path("platlib")]))
    return made


def _environment() -> dict[str, str]:
    library = sysconfig.get_config_var("LIBDIR") or ""
    paths = ":".join(path for path in (os.environ.get("LD_LIBRARY_PATH", ""), library) if path)
    return {**os.environ, "LD_LIBRARY_PATH": paths}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DidNotStart(log.read_text(errors="replace"))
        try:
            if server.get("/v2/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready after {START_SECONDS} s: {log.read_text(errors='replace')}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
