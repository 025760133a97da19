"""kopf's connection to the API server, listened to: each byte of a watch is a sign of life (`pulse`).

What is listed is told as well (`listings`): a watch that starts over says nothing of what went meanwhile.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import kopf

from burnish_engine import __version__
from burnish_operator.listings import Listings
from burnish_operator.pulse import Pulse

# A watch ends after so long, and is opened anew: whatever a stream might miss, it does not miss for longer.
WATCH_SECONDS = 1800
# kopf gives a silent watch up after 70 s; this bounds what it does not look at.
CLIENT_SECONDS = WATCH_SECONDS + 60.0
CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 60.0
_BACKOFFS = (1, 2, 3, 5, 8, 13, 21, 34)
# Unused without peering; kopf would look for the user's name, and a numeric user has none. The type is
# kopf's own and not public.
IDENTITY: Any = "burnish"
USER_AGENT = f"burnish-operator/{__version__}"


class Jittered(Collection[float]):
    """Waits between attempts, other ones each time: many operators do not come back at one moment."""

    def __init__(self, seconds: Collection[float]) -> None:
        self._seconds = tuple(seconds)

    def __iter__(self) -> Iterator[float]:
        return (each * random.uniform(1.0, 1.5) for each in self._seconds)  # noqa: S311

    def __len__(self) -> int:
        return len(self._seconds)

    def __contains__(self, item: object) -> bool:
        return item in self._seconds


class Listened:
    """The content of an answer; whoever reads it chunk by chunk is heard doing so."""

    def __init__(self, content: aiohttp.StreamReader, pulse: Pulse, path: str) -> None:
        self._content, self._pulse, self._path = content, pulse, path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Chunks as they come."""
        async for chunk in self._content.iter_chunked(size):
            self._pulse.heard(self._path)
            yield chunk


def listening(pulse: Pulse, listings: Listings) -> aiohttp.ClientMiddlewareType:
    """A middleware that tells `pulse` of what is watched, and `listings` of what is listed."""

    async def middleware(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        path, watches = request.url.path, request.url.query.get("watch") == "true"
        if watches:
            pulse.asked(path)
        response = await handler(request)
        if watches and response.status == 200:
            pulse.heard(path)
            content: Any = Listened(response.content, pulse, path)
            response.content = content
        elif not watches and request.method == "GET" and response.ok:
            await listings.listed(path)
        return response

    return middleware


def bound(found: kopf.OperatorSettings) -> None:
    """Nothing that kopf asks the API server for may take for ever."""
    found.networking.error_backoffs = Jittered(_BACKOFFS)
    found.networking.request_timeout = REQUEST_SECONDS
    found.networking.connect_timeout = CONNECT_SECONDS
    found.watching.server_timeout = WATCH_SECONDS
    found.watching.client_timeout = CLIENT_SECONDS
    found.watching.connect_timeout = CONNECT_SECONDS


def log_in(registry: kopf.OperatorRegistry, pulse: Pulse, listings: Listings) -> None:
    """Credentials of the pod's account, else of the kubeconfig."""

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        found = kopf.login_with_service_account(**kwargs)
        found = at_address(found, os.environ) if found else kopf.login_with_kubeconfig(**kwargs)
        return session(found, pulse, listings) if found else None


def session(found: kopf.ConnectionInfo, pulse: Pulse, listings: Listings) -> kopf.AiohttpSession:
    """The session that kopf would make, with our ear at it."""
    return kopf.AiohttpSession(
        server=found.server,
        priority=found.priority,
        default_namespace=found.default_namespace,
        expiration=found.expiration,
        aiohttp_session=aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
            headers={**found.as_http_headers(), "User-Agent": USER_AGENT},
            proxy=found.proxy_url,
            trust_env=found.trust_env,
            middlewares=[listening(pulse, listings)],
        ),
    )


def at_address(found: kopf.ConnectionInfo, environment: Mapping[str, str]) -> kopf.ConnectionInfo:
    """The API server by its address, as every client finds it: a cluster may have no DNS."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return found
    return replace(found, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


async def watch(
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    namespaces: Collection[str],
    began: Callable[[], None],
) -> None:
    """Watch until cancelled; `began` is called once kopf has set itself up. Raises: what made kopf give up.

    Not `kopf.operator`: at its end that cancels every task of the loop, the turns under way among them.
    """
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=settings,
        standalone=True,
        identity=IDENTITY,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
    began()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()
    raise RuntimeError("kopf stopped watching without saying why")
