"""What the watches bring goes into the mirror, and whom it concerns is told.

Nobody is told before all that is watched was listed once: no turn begins with half a mirror.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from burnish_operator.handlers import Listener, concerns
from burnish_operator.mirror import Mirror
from burnish_operator.ports import Kind, Object

_log = logging.getLogger(__name__)


@dataclass
class Follower:
    """Takes every object that is listed or watched.

    places: what will be listed, the end of each path and what is there.
    """

    mirror: Mirror
    told: Mapping[Kind, Listener]
    places: Mapping[str, Kind] = field(default_factory=dict)
    _listed: set[str] = field(default_factory=set)
    _untold: list[tuple[Kind, str | None, Object]] = field(default_factory=list)

    def place(self, path: str) -> str | None:
        """The place at this path of the API server, which may have a path of its own; None: not ours."""
        return next((place for place in self.places if path.endswith(place)), None)

    async def listed(self, place: str, objects: Iterable[Object], *, whole: bool) -> None:
        """All that there is at a place, or another page of it. whole: this was the last one."""
        kind = self.places[place]
        for obj in objects:
            # Items of a list come without their kind.
            await self.changed(kind, None, {"apiVersion": kind.api_version, "kind": kind.kind, **obj})
        if whole and not self._is_open():
            self._listed.add(place)
            await self._tell_all()

    async def changed(self, kind: Kind, event: str | None, obj: Object) -> None:
        """One object as a watch told of it; event None: as it was listed."""
        news = self._mirrored(event, obj)
        if not concerns(kind, event, news=news):
            return
        if self._is_open():
            await self._tell(kind, event, obj)
        else:
            self._untold.append((kind, event, obj))

    def _is_open(self) -> bool:
        return len(self._listed) == len(self.places)

    def _mirrored(self, event: str | None, obj: Object) -> bool:
        if event != "DELETED":
            return self.mirror.put(obj)
        self.mirror.drop(obj)
        return True

    async def _tell_all(self) -> None:
        if self._is_open():
            untold, self._untold = self._untold, []
            for kind, event, obj in untold:
                await self._tell(kind, event, obj)

    async def _tell(self, kind: Kind, event: str | None, obj: Object) -> None:
        try:
            await self.told[kind]({"type": event}, obj)
        except Exception:  # noqa: BLE001 - a defect, and what comes after it must not be lost with it
            _log.exception("%s: a defect", obj["metadata"]["name"])
