"""Objects are taken out of what kopf reads of the API server, before kopf sees them.

kopf finds a list empty, and in a watch a bookmark in place of what changed. So it lists, watches, reconnects
from the right version and lists anew as ever, and has no task, loggers, index and memory for each object.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import aiohttp

from burnish_operator.follow import Follower

_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})


class Listing:
    """The content of a list's answer; whoever reads it finds no items."""

    def __init__(self, content: aiohttp.StreamReader, follower: Follower, place: str) -> None:
        self._content, self._follower, self._place = content, follower, place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def read(self) -> bytes:
        """All of it."""
        found = json.loads(await self._content.read())
        last = not found["metadata"].get("continue")
        await self._follower.listed(self._place, found.get("items") or (), whole=last)
        return json.dumps({**found, "items": []}).encode()


class Watching:
    """The content of a watch's answer, chunk by chunk; `heard` is called with each."""

    def __init__(
        self, content: aiohttp.StreamReader, follower: Follower, place: str, heard: Callable[[], None]
    ) -> None:
        self._content, self._follower, self._heard = content, follower, heard
        self._kind = follower.places[place]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Whole lines: bookmarks, errors, and bookmarks in place of changes."""
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            self._heard()
            *lines, rest = (rest + chunk).split(b"\n")
            if left := await self._left(lines):
                yield left
        if left := await self._left([rest]):
            yield left

    async def _left(self, lines: Iterable[bytes]) -> bytes:
        left, stands = [], b""
        for line in filter(None, lines):
            bookmark = await self._taken(line)
            # Of several in a row the last one says it all.
            left += [] if bookmark else [stands, line]
            stands = bookmark
        return b"".join(each + b"\n" for each in (*left, stands) if each)

    async def _taken(self, line: bytes) -> bytes:
        event = json.loads(line)
        if event["type"] not in _CHANGES:
            return b""
        obj = event["object"]
        await self._follower.changed(self._kind, event["type"], obj)
        # After it was taken: where this ends in the midst of it, the watch goes on from what was before.
        known = {key: obj[key] for key in ("apiVersion", "kind")}
        version = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return json.dumps({"type": "BOOKMARK", "object": {**known, "metadata": version}}).encode()
