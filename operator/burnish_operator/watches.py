"""kopf's connection to the API server, listened to: each byte of a watch is a sign of life (`pulse`).

What is listed is told as well (`listings`): a watch that starts over says nothing of what went meanwhile. The
objects themselves go to the `follower`, and not on to kopf (`intake`).
"""

import asyncio
import os
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import kopf

from burnish_engine import __version__
from burnish_operator import names
from burnish_operator.follow import Follower
from burnish_operator.intake import Listing, Watching
from burnish_operator.listings import Listings
from burnish_operator.ports import DEPLOYMENT, JOB, POD, SERVICE, Kind
from burnish_operator.pulse import Pulse

OURS = f"{names.MANAGED_BY}={names.MANAGER}"
# Only pods of Jobs carry a key, and only they are read: what a Deployment's pods do, the Deployment tells.
OURS_THAT_BUILD = f"{OURS},{names.ENGINE_KEY}"
_OWN_KINDS = {JOB: OURS, DEPLOYMENT: OURS, SERVICE: OURS, POD: OURS_THAT_BUILD}
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


@dataclass(frozen=True)
class Ear:
    """Who is told of what kopf asks and hears: that it was heard, what was listed again, and all objects."""

    pulse: Pulse
    listings: Listings
    follower: Follower

    async def answered(self, request: aiohttp.ClientRequest, response: aiohttp.ClientResponse) -> None:
        """Before kopf reads it."""
        path, place = request.url.path, self.follower.place(request.url.path)
        if place is None or request.method != "GET" or response.status != 200:
            return
        if is_watch(request):
            self.pulse.heard(path)
            content: Any = Watching(response.content, self.follower, place, lambda: self.pulse.heard(path))
        else:
            await self.listings.listed(path)
            content = Listing(response.content, self.follower, place)
        response.content = content


def is_watch(request: aiohttp.ClientRequest) -> bool:
    """Whether it asks for changes as they come."""
    return request.url.query.get("watch") == "true"


def listening(ear: Ear) -> aiohttp.ClientMiddlewareType:
    """A middleware that tells `ear`."""

    async def middleware(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if is_watch(request):
            ear.pulse.asked(request.url.path)
        response = await handler(request)
        await ear.answered(request, response)
        return response

    return middleware


def _bound(found: kopf.OperatorSettings) -> None:
    """Nothing that kopf asks the API server for may take for ever."""
    found.networking.error_backoffs = Jittered(_BACKOFFS)
    found.networking.request_timeout = REQUEST_SECONDS
    found.networking.connect_timeout = CONNECT_SECONDS
    found.watching.server_timeout = WATCH_SECONDS
    found.watching.client_timeout = CLIENT_SECONDS
    found.watching.connect_timeout = CONNECT_SECONDS


def log_in(registry: kopf.OperatorRegistry, ear: Ear) -> None:
    """Credentials of the pod's account, else of the kubeconfig."""

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        found = kopf.login_with_service_account(**kwargs)
        found = at_address(found, os.environ) if found else kopf.login_with_kubeconfig(**kwargs)
        return session(found, ear) if found else None


def session(found: kopf.ConnectionInfo, ear: Ear) -> kopf.AiohttpSession:
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
            middlewares=[listening(ear)],
        ),
    )


def at_address(found: kopf.ConnectionInfo, environment: Mapping[str, str]) -> kopf.ConnectionInfo:
    """The API server by its address, as every client finds it: a cluster may have no DNS."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return found
    return replace(found, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


def follow(registry: kopf.OperatorRegistry, kinds: Collection[Kind]) -> None:
    """Have kopf list and watch these kinds."""
    for kind in kinds:
        kopf.on.event(*_resource(kind), registry=registry, id=f"on_{kind.plural}")(_never)


async def _never(**_: Any) -> None:
    raise RuntimeError("kopf was told of an object, which is taken out of what it reads (see intake)")


def _resource(kind: Kind) -> tuple[str, str, str]:
    group, _, version = kind.api_version.rpartition("/")
    return group, version, kind.plural


def settings(*, everywhere: bool) -> kopf.OperatorSettings:
    """kopf as a watcher only: it posts nothing, stores nothing, sees our own Jobs, pods and so on."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
    found.peering.standalone = True
    # What is in kopf's own queues at the end is not lost: the next process lists everything.
    found.queueing.exit_timeout = 0.2
    _bound(found)
    # In given namespaces neither CRDs nor namespaces need be watched, nor may they.
    found.scanning.disabled = not everywhere
    for kind, labels in _OWN_KINDS.items():
        found.watching.label_selectors[_resource(kind)] = labels
    return found


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
