"""Run other programs: quietly when they work, with the evidence when they do not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from layout import ClusterError

TAIL_LINES = 25

_running: set[subprocess.Popen[bytes]] = set()


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, indented; an empty or missing log says so."""
    text = log.read_text(errors="replace") if log.exists() else ""
    last = text.rstrip().splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in last) or "    (nothing was written)"


def run_logged(
    argv: Sequence[str] | Sequence[str | Path] | Sequence[Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run to completion with all output in `log`; `env` is added to the environment.

    Raises: ClusterError with the log's tail and path, because the reason is nearly always there.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(part) for part in argv]
    with log.open("ab") as output:
        output.write(f"\n$ {' '.join(command)}\n".encode())
        output.flush()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        _running.add(child)
        try:
            status = child.wait()
        finally:
            _running.discard(child)
    if status:
        raise ClusterError(
            f"`{' '.join(command[:4])} …` failed with status {status}\n{tail(log)}\n  log: {log}"
        )


def output_of(
    argv: Sequence[str] | Sequence[str | Path] | Sequence[Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> str:
    """What a short command prints.

    Raises: ClusterError with what it wrote to standard error.
    """
    command = [str(part) for part in argv]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False
    )
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise ClusterError(f"`{' '.join(command)}` failed with status {done.returncode}: {said}")
    return done.stdout


def stop_all() -> None:
    """Ask every command of `run_logged` to end, e.g. because another one failed."""
    for child in list(_running):
        child.terminate()
