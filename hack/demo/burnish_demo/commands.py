"""Run programs: long ones into a log, line by line, short ones for their output. A failure shows its end."""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from burnish_demo.errors import DemoError

TAIL_LINES = 25

Command = Sequence[str | Path]


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, where the cause usually stands."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def output_of(
    command: Command,
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
        raise failure(words, str(error), remedy=remedy) from error
    if done.returncode:
        raise failure(words, f"exit status {done.returncode}", done.stderr or done.stdout, remedy=remedy)
    return done.stdout


def run_logged(
    command: Command,
    log: Path,
    tell: Callable[[str], None] = lambda line: None,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 1800.0,
    remedy: str = "",
) -> str:
    """Run a long command with all that it says in `log`, each line also given to `tell`.

    Returns: that text.   Raises: DemoError with the log's tail.
    """
    words = [str(word) for word in command]
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        status, said = _stream(words, log, tell, {**os.environ, **(environment or {})}, timeout_seconds)
    except OSError as error:
        raise failure(words, str(error), remedy=remedy) from error
    if status:
        found = f"exit status {status}" if status > 0 else f"no end after {timeout_seconds:.0f} s"
        raise failure(words, found, said, remedy=f"{remedy} The whole log: {log}".strip())
    return said


def _stream(
    words: list[str],
    log: Path,
    tell: Callable[[str], None],
    environment: Mapping[str, str],
    timeout_seconds: float,
) -> tuple[int, str]:
    """Exit status and text. The text is not read back from the log, which another run may write, too."""
    said = []
    with (
        log.open("w", encoding="utf-8") as sink,
        subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        ) as child,
    ):
        timer = threading.Timer(timeout_seconds, child.kill)
        timer.start()
        try:
            for line in child.stdout or ():
                sink.write(line)
                said.append(line)
                tell(line.strip())
        except BaseException:
            child.kill()
            raise
        finally:
            timer.cancel()
    return child.returncode, "".join(said)


def failure(words: Sequence[str], found: str, said: str = "", *, remedy: str = "") -> DemoError:
    """The error of a command that did not do what it was started for."""
    return DemoError(" ".join(words), found=found, expected="success", remedy=remedy, detail=tail(said))
