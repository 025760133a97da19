"""The turns of a process that leads, and what they leave to others: how they begin and how they end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from burnish_operator.errands import Errands
from burnish_operator.handlers import Key
from burnish_operator.queue import WorkQueue

POLL_SECONDS = 0.05
Work = Callable[[Key], Awaitable[float | None]]


@dataclass(frozen=True)
class Turns:
    """Workers over a queue. A turn is over when its writes are; its errands may last longer."""

    queue: WorkQueue[Key]
    workers: int
    work: Work
    errands: Errands

    async def run(self) -> None:
        """Take turns until closed; then return once all that was begun is done."""
        await self.queue.run(self.workers, self.work)
        self.errands.close()
        while not self.errands.idle():
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """Begin no turn any more."""
        await self.queue.close()

    def drop(self) -> None:
        """There is no time left: errands that were not begun are not done."""
        self.errands.drop()

    def idle(self) -> bool:
        """Whether nothing of this process may write now."""
        return self.queue.idle() and self.errands.idle()
