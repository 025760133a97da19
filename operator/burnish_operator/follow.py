"""What the watches bring goes into the mirror, and whom it concerns is told.

Nobody is told before all that is watched was listed once: no turn begins with half a mirror.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from burnish_operator.handlers import Listener, concerns
from burnish_operator.mirror import Mirror
from burnish_operator.ports import Kind, Object

_log = logging.getLogger(__name__)
_AT_ONCE = 100


@dataclass
class Follower:
    """Takes every object that is listed or watched.

    places: what will be listed, the end of each path and what is there.
    """

    mirror: Mirror
    told: Mapping[Kind, Listener]
    places: Mapping[str, Kind] = field(default_factory=dict)
    _open: bool = field(init=False)
    _opening: bool = False
    _listed: set[str] = field(default_factory=set)
    _untold: dict[str, tuple[Kind, str | None, Object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Where nothing will be listed, nothing is waited for."""
        self._open = not self.places

    def place(self, path: str) -> str | None:
        """The place at this path of the API server, which may have a path of its own; None: not ours."""
        return next((place for place in self.places if path.endswith(place)), None)

    async def listed(self, place: str, objects: Iterable[Object], *, whole: bool) -> None:
        """All that there is at a place, or another page of it. whole: this was the last one."""
        kind = self.places[place]
        for number, obj in enumerate(objects, 1):
            # Items of a list come without their kind.
            await self.changed(kind, None, {"apiVersion": kind.api_version, "kind": kind.kind, **obj})
            await _breathe(number)
        if whole and not self._open:
            self._listed.add(place)
            await self._open_if_whole()

    async def changed(self, kind: Kind, event: str | None, obj: Object) -> None:
        """One object as a watch told of it; event None: as it was listed."""
        news = self._mirrored(event, obj)
        if not concerns(kind, event, news=news):
            return
        if self._open:
            await self._tell(kind, event, obj)
            return
        if event == "DELETED" and not self._is_whole():
            # Nobody was told of it.
            self._untold.pop(obj["metadata"]["uid"], None)
        else:
            self._untold[obj["metadata"]["uid"]] = (kind, event, obj)
        # Whoever listed last opens, and may have been ended in the midst of it.
        await self._open_if_whole()

    def _is_whole(self) -> bool:
        return self._listed == self.places.keys()

    def _mirrored(self, event: str | None, obj: Object) -> bool:
        if event != "DELETED":
            return self.mirror.put(obj)
        self.mirror.drop(obj)
        return True

    async def _open_if_whole(self) -> None:
        if self._opening or not self._is_whole():
            return
        self._opening = True
        try:
            await self._tell_untold()
        finally:
            self._opening = False
        self._open = True

    async def _tell_untold(self) -> None:
        """What comes meanwhile is told in its turn, and in place of what it was before."""
        for number in itertools.count(1):
            if not self._untold:
                break
            uid, told = next(iter(self._untold.items()))
            await self._tell(*told)
            if self._untold.get(uid) is told:
                del self._untold[uid]
            await _breathe(number)

    async def _tell(self, kind: Kind, event: str | None, obj: Object) -> None:
        try:
            await self.told[kind]({"type": event}, obj)
        except Exception:  # noqa: BLE001 - a defect, and what comes after it must not be lost with it
            _log.exception("%s: a defect", obj["metadata"]["name"])


async def _breathe(number: int) -> None:
    """Let others have the loop now and then: a lease is renewed, and probes are answered, in it as well."""
    if number % _AT_ONCE == 0:
        await asyncio.sleep(0)
