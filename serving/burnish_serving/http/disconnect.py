"""A request whose client hangs up is not worth computing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect
from starlette.types import Receive

# Answers that come sooner than this are not worth a watch: it costs each request some microseconds.
PATIENCE_SECONDS = 0.02


@asynccontextmanager
async def given_up_with(receive: Receive) -> AsyncIterator[None]:
    """Cancel what is awaited inside when the client goes away. The body must have been read.

    Raises: ClientDisconnect.
    """
    watch = _Watch(receive)
    later = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, watch.begin)
    try:
        yield
    except asyncio.CancelledError:
        if watch.has_left:
            raise ClientDisconnect from None
        raise
    finally:
        later.cancel()
        watch.end()


class _Watch:
    def __init__(self, receive: Receive) -> None:
        self._receive, self._answering = receive, asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self.has_left = False

    def begin(self) -> None:
        self._watching = asyncio.create_task(self._until_gone())

    def end(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.has_left = True
        if self._answering is not None:
            self._answering.cancel()
