"""Connections of one port: how many there may be, and which of them are given up."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

# Coarser than any of the time-outs, and cheap: one timer a port instead of several a request.
SWEEP_SECONDS = 0.5


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one port.

    connections: open at once; one that idles is closed for a new one, else the new one is refused.
    head_seconds: from the first byte of a request (or from connecting) to the end of its head.
    stall_seconds: an answer that the client does not read, or a body that comes after its answer.
    idle_seconds: kept open between two requests; longer than the pools of usual clients and proxies keep.
    """

    connections: int = 1024
    head_seconds: float = 10.0
    stall_seconds: float = 30.0
    idle_seconds: float = 75.0


class Connection(Protocol):
    """One connection, as far as this module cares."""

    @property
    def idle_since(self) -> float | None:
        """Loop time since which it waits for a next request; None: it is at work, or new."""

    def check(self, now: float) -> None:
        """Give up what takes longer than the limits allow."""

    def close_idle(self) -> None:
        """Close, between two requests."""


class Watcher(Protocol):
    """Who wants to know (`burnish_serving.metrics.ServingMetrics`)."""

    def connected(self, count: int) -> None:
        """That many connections are open now."""

    def rejected(self, model: str, reason: str) -> None:
        """Something was refused before it was a request; `model` is empty."""


class Connections:
    """The open connections of a port. Used on the event loop alone."""

    def __init__(self, limits: ConnectionLimits, watcher: Watcher | None = None) -> None:
        self.limits = limits
        self._watcher = watcher
        self._open: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more. An idle connection makes room for it."""
        if len(self._open) >= self.limits.connections and not self._evict():
            return False
        self._open.add(connection)
        self._tell()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        return True

    def leave(self, connection: Connection) -> None:
        """It is closed."""
        self._open.discard(connection)
        self._tell()

    def refused(self, reason: str) -> None:
        """One was refused, or given up; `reason` is one of a closed set."""
        if self._watcher is not None:
            self._watcher.rejected("", reason)

    def _tell(self) -> None:
        if self._watcher is not None:
            self._watcher.connected(len(self._open))

    def _evict(self) -> bool:
        idle = [(since, c) for c in self._open if (since := c.idle_since) is not None]
        if not idle:
            return False
        longest = min(idle, key=lambda pair: pair[0])[1]
        self._open.discard(longest)
        longest.close_idle()
        return True

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in list(self._open):
            connection.check(loop.time())
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep) if self._open else None
