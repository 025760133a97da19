"""Load from several processes at once, and what they found together."""

import base64
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from burnish_bench.serving.answers import Answer, is_right
from burnish_bench.serving.clients.load import Order, Tally
from burnish_bench.serving.fleet import environment, pin, stop
from burnish_bench.serving.workload import Workload


class LoadFailed(Exception):
    """A process of load did not come to its end."""


@dataclass(frozen=True)
class Found:
    """Requests that were answered, refused, failed, never answered, answered wrong; latencies in seconds."""

    seconds: float
    accepted: tuple[float, ...]
    refused: tuple[float, ...]
    failed: dict[str, int]
    late: tuple[float, ...]
    unanswered: int
    wrong: int

    @property
    def per_second(self) -> float:
        """Right answers a second."""
        return (len(self.accepted) - self.wrong) / self.seconds if self.seconds else 0.0

    @property
    def asked(self) -> int:
        """Every request."""
        return len(self.accepted) + len(self.refused) + sum(self.failed.values()) + self.unanswered


def run(order: Order, work: Workload, processors: frozenset[int]) -> Found:
    """Carry out an order, shared by as many processes as there are processors for clients.

    Raises: LoadFailed: the server went away, or a process did.
    """
    count = max(1, min(len(processors), order.connections))
    processes = [_start(processors) for _ in range(count)]
    try:
        for process, share in zip(processes, shares(order, count), strict=True):
            _tell(process, json.dumps(asdict(share)))
        for process in processes:
            _hear(process)
        for process in processes:
            _tell(process, "go")
        told = [_hear(process) for process in processes]
    finally:
        for process in processes:
            stop(process)
            for pipe in (process.stdin, process.stdout):
                assert pipe
                pipe.close()
    return merge([_tally(line) for line in told], order, work)


def shares(order: Order, count: int) -> list[Order]:
    """The order in equal parts."""
    each, extra = divmod(order.connections, count)
    rate = None if order.rate is None else order.rate / count
    return [
        replace(order, connections=each + (number < extra), rate=rate, seed=order.seed + number)
        for number in range(count)
    ]


def merge(tallies: Sequence[Tally], order: Order, work: Workload) -> Found:
    """All tallies as one; answers are judged here, once for each that differs."""
    failed: Counter[str] = sum((tally.failed for tally in tallies), Counter())
    answers: Counter[Answer] = sum((tally.answers for tally in tallies), Counter())
    wrong = sum(n for answer, n in answers.items() if not is_right(answer, order.mode, work.expected))
    return Found(
        float(np.mean([tally.seconds for tally in tallies])),
        tuple(second for tally in tallies for second in tally.accepted),
        tuple(second for tally in tallies for second in tally.refused),
        dict(failed),
        tuple(second for tally in tallies for second in tally.late),
        sum(tally.unanswered for tally in tallies),
        wrong,
    )


def _start(processors: frozenset[int]) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "burnish_bench.serving.clients.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )
    pin(process.pid, processors)
    return process


def _tell(process: "subprocess.Popen[bytes]", line: str) -> None:
    assert process.stdin
    try:
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError as error:
        raise LoadFailed("a client ended early: see its errors above") from error


def _hear(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise LoadFailed("a client ended early: see its errors above")
    return line


def _tally(line: bytes) -> Tally:
    told = json.loads(line)
    answers = Counter(
        {Answer(status, size, base64.b64decode(body)): count for status, size, body, count in told["answers"]}
    )
    return Tally(**{**told, "failed": Counter(told["failed"]), "answers": answers})
