"""Run programs: quietly into a log, or for their output; a failure shows the end of what was said."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from burnish_demo.errors import DemoError

TAIL_LINES = 25


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, where the cause usually stands."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def output_of(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 120.0,
    remedy: str = "",
) -> str:
    """Standard output of a command.

    Raises: DemoError: it is missing, failed, or took longer than `timeout_seconds`.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
            env={**os.environ, **(environment or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(words, str(error), "", remedy) from error
    if done.returncode:
        raise _failed(words, f"exit status {done.returncode}", done.stderr or done.stdout, remedy)
    return done.stdout


def run_logged(
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 1800.0,
    remedy: str = "",
) -> str:
    """Run a long command with everything that it says in `log`; returns that text.

    Raises: DemoError with the log's tail.
    """
    words = [str(word) for word in command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=timeout_seconds,
                env={**os.environ, **(environment or {})},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(words, str(error), log.read_text(errors="replace"), remedy, log) from error
    said = log.read_text(errors="replace")
    if done.returncode:
        raise _failed(words, f"exit status {done.returncode}", said, remedy, log)
    return said


def _failed(words: list[str], found: str, said: str, remedy: str, log: Path | None = None) -> DemoError:
    where = f"The whole log: {log}." if log else ""
    return DemoError(
        " ".join(words),
        found=found,
        expected="success",
        remedy=f"{remedy} {where}".strip(),
        detail=tail(said),
    )
