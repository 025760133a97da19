"""The connection that kopf watches through, and word of every watch that had to start over.

kopf lists again where the API server no longer knows the version that a watch stands at. It then tells of all
that is there and of nothing that went meanwhile, so whoever keeps a mirror must compare.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp
import kopf

from burnish_engine import __version__
from burnish_operator.ports import KINDS, Kind

USER_AGENT = f"burnish-operator/{__version__}"
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


def session(found: kopf.ConnectionInfo, listings: Listings) -> kopf.AiohttpSession:
    """A session as kopf would make it, with a name of its own; must be called in the event loop."""
    trace = aiohttp.TraceConfig()

    async def ended(
        _: aiohttp.ClientSession, __: SimpleNamespace, told: aiohttp.TraceRequestEndParams
    ) -> None:
        if told.method == "GET" and "watch" not in told.url.query and told.response.ok:
            await listings.listed(told.url.path)

    trace.on_request_end.append(ended)
    return kopf.AiohttpSession(
        server=found.server,
        default_namespace=found.default_namespace,
        priority=found.priority,
        expiration=found.expiration,
        aiohttp_session=aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
            headers={**found.as_http_headers(), "User-Agent": USER_AGENT},
            proxy=found.proxy_url,
            trust_env=found.trust_env,
            trace_configs=[trace],
        ),
    )
