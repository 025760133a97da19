"""kopf's requests, listened to: against a server that answers as the API server does."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import kopf
from aiohttp import web

from burnish_operator.follow import Follower
from burnish_operator.listings import Listings
from burnish_operator.mirror import Mirror
from burnish_operator.ports import JOB, Kind
from burnish_operator.pulse import Pulse
from burnish_operator.watches import Ear, Jittered, session
from support.registry import free_port

JOBS = "/apis/batch/v1/jobs"
EMPTY = {"metadata": {"resourceVersion": "7"}, "items": []}
BOOKMARK = b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}\n'
Conversation = Callable[[aiohttp.ClientSession, str, Pulse], Awaitable[None]]


async def jobs(request: web.Request) -> web.StreamResponse:
    """A list; a watch that is refused; a watch that brings a line and then hangs."""
    if "watch" not in request.query:
        return web.json_response(EMPTY)
    if "refused" in request.query:
        return web.Response(status=429)
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(BOOKMARK)
    await asyncio.Event().wait()
    return answer


def listened(conversation: Conversation, again: list[Kind] | None = None) -> None:
    """Hold a conversation with that server through a session of ours. again: kinds listed once more."""
    told = [] if again is None else again

    async def listed_again(kind: Kind) -> None:
        told.append(kind)

    async def scenario() -> None:
        app, port = web.Application(), free_port()
        app.add_routes([web.get(JOBS, jobs)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        pulse = Pulse(asyncio.get_running_loop().time)
        pulse.expect(["jobs"])
        server = f"http://127.0.0.1:{port}"
        try:
            found = kopf.ConnectionInfo(server=server, token="t")
            ear = Ear(pulse, Listings(listed_again), Follower(Mirror(), {}, {JOBS: JOB}))
            async with session(found, ear).aiohttp_session as client:
                await conversation(client, f"{server}{JOBS}", pulse)
        finally:
            await runner.cleanup()

    asyncio.run(scenario())


def test_neither_a_listing_nor_a_refusal_is_a_sign_of_life_of_a_watch() -> None:
    async def conversation(client: aiohttp.ClientSession, url: str, pulse: Pulse) -> None:
        async with client.get(url) as listing:
            assert await listing.json() == EMPTY
        assert pulse.waited_for() == ["jobs"]
        async with client.get(url, params={"watch": "true", "refused": "yes"}) as refusal:
            assert refusal.status == 429
        assert pulse.waited_for() == [JOBS]

    listened(conversation)


def test_a_kind_that_is_listed_once_more_is_told_and_a_watch_is_no_listing() -> None:
    again: list[Kind] = []

    async def conversation(client: aiohttp.ClientSession, url: str, _: Pulse) -> None:
        for params in ({}, {"watch": "true"}, {"watch": "true", "refused": "yes"}):
            async with client.get(url, params=params):
                assert again == []
        async with client.get(url):
            assert again == [JOB]

    listened(conversation, again)


def test_each_piece_of_a_watch_is_heard() -> None:
    async def conversation(client: aiohttp.ClientSession, url: str, pulse: Pulse) -> None:
        async with client.get(url, params={"watch": "true"}) as watch:
            assert pulse.waited_for() == []
            pieces = watch.content.iter_chunked(1024)
            await asyncio.sleep(0.1)
            silent = pulse.ages()["jobs"]
            assert (await anext(pieces)) == BOOKMARK
            assert pulse.ages()["jobs"] < silent

    listened(conversation)


def test_waits_between_attempts_are_as_many_and_never_shorter() -> None:
    waits = Jittered((1, 2, 3))
    first, second = list(waits), list(waits)
    assert len(waits) == len(first) == 3
    assert first != second
    assert all(least <= found <= 1.5 * least for least, found in zip((1, 2, 3), first, strict=True))
