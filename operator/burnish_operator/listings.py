"""Word of every watch that had to start over.

kopf lists again where the API server no longer knows the version that a watch stands at. It then tells of all
that is there and of nothing that went meanwhile, so whoever keeps a mirror must compare.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from burnish_operator.ports import KINDS, Kind

_BY_PLURAL = {kind.plural: kind for kind in KINDS.values()}


@dataclass
class Listings:
    """Tells `again` of every kind that is listed, except for the first time at each place."""

    again: Callable[[Kind], Awaitable[None]]
    _seen: set[str] = field(default_factory=set)

    async def listed(self, path: str) -> None:
        """This collection was read."""
        kind = _BY_PLURAL.get(path.rpartition("/")[2])
        if kind is not None and path in self._seen:
            await self.again(kind)
        self._seen.add(path)
