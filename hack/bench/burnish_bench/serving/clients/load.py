"""A process of load: an order as JSON on standard input, its tally as JSON on standard output.

It connects, says "ready", and starts when it is told to ("go"), so that several start together.
"""

import asyncio
import base64
import json
import random
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import uvloop

from burnish_bench.serving.answers import Answer
from burnish_bench.serving.clients import http1, http2
from burnish_bench.serving.modes import Mode

Connection = http1.Http1 | http2.Http2
MAX_KINDS = 2000  # of different answers that are kept
GRACE_SECONDS = 3.0  # for answers that are still out when an open loop ends
REFUSED_HTTP = frozenset({429, 503})
REFUSED_GRPC = frozenset({8, 14})  # RESOURCE_EXHAUSTED, UNAVAILABLE


@dataclass(frozen=True)
class Order:
    """rate: arrivals a second, whatever was answered; None: each connection waits for its answer."""

    mode: Mode
    port: int
    request: str
    connections: int
    seconds: float
    warm_up_seconds: float = 0.0
    rate: float | None = None
    seed: int = 0


@dataclass
class Tally:
    """What came of it, in seconds; latencies of an open loop count from when a request was due.

    unanswered: due, and not answered `GRACE_SECONDS` after the end.   late: by how much requests left after
    they were due although a connection was free: the client's own slowness.
    """

    seconds: float = 0.0
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    unanswered: int = 0
    answers: Counter[Answer] = field(default_factory=Counter)

    def document(self) -> dict[str, Any]:
        """For the pipe."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        answers = [
            [a.status, a.json_bytes, base64.b64encode(a.body).decode(), count]
            for a, count in self.answers.items()
        ]
        return {**told, "answers": answers}


class Load:
    """One order being carried out."""

    def __init__(self, order: Order) -> None:
        self._order, self._request = order, Path(order.request).read_bytes()
        self._free: deque[Connection] = deque()
        self._counting = order.rate is not None
        self.tally = Tally()

    async def connect(self) -> None:
        """Open all connections. Raises: OSError."""
        for _ in range(self._order.connections):
            self._free.append(await self._connection())

    async def _connection(self) -> Connection:
        port, request = self._order.port, self._request
        return await (
            http2.connect(port, request) if self._order.mode.is_grpc else http1.connect(port, request)
        )

    async def run(self) -> None:
        """Carry it out."""
        if self._order.rate is None:
            await self._closed(self._order.warm_up_seconds)
            self._counting = True
            self.tally.seconds = await self._closed(self._order.seconds)
        else:
            await self._open(self._order.rate)

    async def _closed(self, seconds: float) -> float:
        begin = time.perf_counter()
        if seconds:
            await asyncio.gather(*(self._ask_until(c, begin + seconds) for c in list(self._free)))
        return time.perf_counter() - begin

    async def _ask_until(self, connection: Connection, end: float) -> None:
        while time.perf_counter() < end:
            connection = await self._ask(connection, time.perf_counter())

    async def _open(self, rate: float) -> None:
        """Arrivals by a Poisson clock; those that find no free connection wait for one, in order."""
        draw, begin = random.Random(self._order.seed), time.perf_counter()
        due, end, asked = begin, begin + self._order.seconds, set()
        waiting: deque[float] = deque()
        while (due := due + draw.expovariate(rate)) < end:
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            waiting.append(due)
            asked |= {asyncio.create_task(task) for task in self._dispatch(waiting)}
            asked = {task for task in asked if not task.done()} if len(asked) > 4096 else asked
        self.tally.seconds = time.perf_counter() - begin
        await self._finish(waiting, asked)

    def _dispatch(self, waiting: deque[float]) -> list[Any]:
        tasks = []
        while waiting and self._free:
            tasks.append(self._once(self._free.popleft(), waiting.popleft(), waiting))
        return tasks

    async def _once(self, connection: Connection, due: float, waiting: deque[float]) -> None:
        self.tally.late.append(time.perf_counter() - due)
        connection = await self._ask(connection, due)
        while waiting:
            connection = await self._ask(connection, waiting.popleft())
        self._free.append(connection)

    async def _finish(self, waiting: deque[float], asked: set[asyncio.Task[None]]) -> None:
        left = {task for task in asked if not task.done()}
        pending = (await asyncio.wait(left, timeout=GRACE_SECONDS))[1] if left else set()
        for task in pending:
            task.cancel()
        self.tally.unanswered = len(waiting) + len(pending)

    async def _ask(self, connection: Connection, due: float) -> Connection:
        try:
            answer = await connection.ask()
        except OSError as error:
            self.tally.failed[f"{type(error).__name__}: {error}"[:120]] += self._counting
            return await self._again(connection)
        if self._counting:
            self._count(answer, time.perf_counter() - due)
        return connection

    async def _again(self, broken: Connection) -> Connection:
        broken.transport.abort()
        try:
            return await self._connection()
        except OSError:
            await asyncio.sleep(0.05)  # a full backlog: its next request fails too, and tries again
            return broken

    def _count(self, answer: Answer, seconds: float) -> None:
        grpc = self._order.mode.is_grpc
        if answer.status == (0 if grpc else 200):
            self.tally.accepted.append(seconds)
            if answer in self.tally.answers or len(self.tally.answers) < MAX_KINDS:
                self.tally.answers[answer] += 1
        elif answer.status in (REFUSED_GRPC if grpc else REFUSED_HTTP):
            self.tally.refused.append(seconds)
        else:
            self.tally.failed[f"status {answer.status}: {answer.body[:80]!r}"] += 1


async def main() -> None:
    """One order."""
    told = json.loads(sys.stdin.readline())
    load = Load(Order(**{**told, "mode": Mode(told["mode"])}))
    await load.connect()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await load.run()
    print(json.dumps(load.tally.document()), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
