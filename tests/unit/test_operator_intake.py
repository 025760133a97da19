"""What is listed and watched goes into the mirror, past kopf: the real one, and a server that is made up."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, cast

import aiohttp
import kopf
import pytest
from aiohttp import web

from burnish_operator import watches
from burnish_operator.follow import Follower
from burnish_operator.handlers import Listener
from burnish_operator.intake import Watching
from burnish_operator.listings import Listings
from burnish_operator.mirror import Mirror
from burnish_operator.ports import JOB, POD, Object
from burnish_operator.pulse import Pulse
from burnish_operator.watches import Ear
from support.registry import free_port

JOBS, PODS = "/apis/batch/v1/jobs", "/api/v1/pods"
Told = list[tuple[str | None, str]]


def job(name: str, version: int, **parts: Any) -> Object:
    metadata = {"name": name, "namespace": "team", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, **parts}


def line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def follower(told: Told, *places: str) -> Follower:
    async def tell(event: dict[str, Any], obj: dict[str, Any]) -> None:
        told.append((event["type"], obj["metadata"]["name"]))
        if obj["metadata"]["name"] == "defect":
            raise RuntimeError("a defect")

    kinds = {JOBS: JOB, PODS: POD}
    return Follower(Mirror(), dict.fromkeys((JOB, POD), cast(Listener, tell)), {p: kinds[p] for p in places})


def left_of(chunks: Iterable[bytes], told: Told, mirrored: list[str] | None = None) -> bytes:
    """What kopf still reads of a watch that brings these chunks."""

    class Content:
        async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

    async def scenario() -> bytes:
        found = follower(told, JOBS)
        await found.listed(JOBS, [], whole=True)
        content = cast(aiohttp.StreamReader, Content())
        read = [part async for part in Watching(content, found, JOBS, lambda: None).iter_chunked(1024)]
        if mirrored is not None:
            mirrored.extend(obj["metadata"]["name"] for obj in found.mirror.all(JOB))
        return b"".join(read)

    return asyncio.run(scenario())


def test_kopf_reads_where_a_watch_stands_and_no_object() -> None:
    told: Told = []
    mirrored: list[str] = []
    both = line("ADDED", job("a", 11)) + line("ADDED", job("b", 12)) + line("DELETED", job("a", 13))
    left = left_of([both], told, mirrored)
    assert [json.loads(each) for each in left.splitlines()] == [
        {
            "type": "BOOKMARK",
            "object": {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"resourceVersion": "13"}},
        }
    ]
    assert told == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    assert mirrored == ["b"]


def test_a_line_may_come_in_pieces_and_without_its_end() -> None:
    told: Told = []
    whole = line("ADDED", job("a", 11)) + line("MODIFIED", job("a", 12)).rstrip()
    left = left_of([whole[:9], whole[9:40], whole[40:]], told)
    assert [event for event, _ in told] == ["ADDED", "MODIFIED"]
    assert [json.loads(each)["object"]["metadata"]["resourceVersion"] for each in left.splitlines()] == [
        "11",
        "12",
    ]


def test_errors_and_bookmarks_are_kopfs_and_stay_in_order() -> None:
    bookmark = line("BOOKMARK", {"metadata": {"resourceVersion": "20"}})
    error = line("ERROR", {"kind": "Status", "code": 410})
    left = left_of([line("ADDED", job("a", 11)) + bookmark + line("ADDED", job("b", 21)) + error], [])
    found = [json.loads(each) for each in left.splitlines()]
    assert [each["type"] for each in found] == ["BOOKMARK", "BOOKMARK", "BOOKMARK", "ERROR"]
    assert [each["object"]["metadata"]["resourceVersion"] for each in found[:3]] == ["11", "20", "21"]


def test_a_defect_in_one_object_keeps_no_other_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    told: Told = []
    left_of([line("ADDED", job("defect", 11)) + line("ADDED", job("b", 12))], told)
    assert told == [("ADDED", "defect"), ("ADDED", "b")]
    assert "a defect" in caplog.text


def test_what_was_known_is_not_told_again() -> None:
    told: Told = []
    left_of(
        [line("ADDED", job("a", 11)), line("MODIFIED", job("a", 11)), line("MODIFIED", job("a", 10))], told
    )
    assert told == [("ADDED", "a")]


def test_nobody_is_told_before_all_was_listed_to_its_end() -> None:
    told: Told = []

    async def scenario() -> None:
        found = follower(told, JOBS, PODS)
        await found.listed(JOBS, [job("a", 11)], whole=True)
        await found.changed(JOB, "ADDED", job("b", 12))
        await found.changed(JOB, "ADDED", job("brief", 13))
        await found.changed(JOB, "DELETED", job("brief", 14))
        await found.listed(PODS, [], whole=False)
        assert told == []
        assert {obj["metadata"]["name"] for obj in found.mirror.all(JOB)} == {"a", "b"}
        await found.listed(PODS, [], whole=True)
        assert told == [(None, "a"), ("ADDED", "b")]
        await found.listed(JOBS, [job("a", 11)], whole=True)
        assert told[2:] == [(None, "a")]

    asyncio.run(scenario())


def test_who_is_ended_while_it_opens_leaves_the_rest_to_whoever_comes_next() -> None:
    """kopf ends a watch whose CRD goes or changes, and that may be the one which listed last."""
    told: Told = []

    async def scenario() -> None:
        found = follower(told, JOBS)
        jobs = [job(f"j{n}", n) for n in range(1, 251)]
        listing = asyncio.create_task(found.listed(JOBS, jobs, whole=True))
        while not told:
            await asyncio.sleep(0)
        listing.cancel()
        await asyncio.wait({listing})
        await found.changed(JOB, "ADDED", job("next", 300))

    asyncio.run(scenario())
    assert {name for _, name in told} == {f"j{n}" for n in range(1, 251)} | {"next"}


def test_while_much_is_listed_and_told_others_have_the_loop_and_an_end_is_told_to_who_was_told() -> None:
    told: Told = []
    seen: list[int] = []

    async def scenario() -> None:
        found = follower(told, JOBS)
        listing = asyncio.create_task(
            found.listed(JOBS, [job(f"j{n}", n) for n in range(1, 251)], whole=True)
        )
        while not listing.done():
            seen.append(len(told))
            if told:
                await found.changed(JOB, "DELETED", job("j1", 300))
                await found.changed(JOB, "DELETED", job("j250", 301))
            await asyncio.sleep(0)

    asyncio.run(scenario())
    assert {0, 100, 200} <= set(seen)
    assert {("DELETED", "j1"), ("DELETED", "j250")} <= set(told)
    assert (None, "j250") not in told


def _served(plural: str, kind: str) -> dict[str, Any]:
    verbs = ["list", "watch"]
    return {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": verbs}


class ApiServer:
    """Jobs, and what kopf asks before it watches them. The first watch breaks after two changes."""

    def __init__(self) -> None:
        self.watched_from: list[str] = []
        self.app = web.Application()
        answers: dict[str, Any] = {
            "/api": {"versions": ["v1"]},
            "/api/v1": {"resources": [_served("namespaces", "Namespace")]},
            "/apis": {"groups": [{"name": "batch", "preferredVersion": {"version": "v1"},
                                  "versions": [{"version": "v1"}]}]},
            "/apis/batch/v1": {"resources": [_served("jobs", "Job")]},
        }  # fmt: skip
        self.app.add_routes([web.get(path, self._always(answer)) for path, answer in answers.items()])
        self.app.add_routes([web.get(JOBS, self.jobs)])

    def _always(self, answer: Any) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(_: web.Request) -> web.Response:
            return web.json_response(answer)

        return handler

    async def jobs(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            listed = {
                "metadata": {"resourceVersion": "11"},
                "items": [{"metadata": job("a", 11)["metadata"]}],
            }
            return web.json_response({"kind": "JobList", "apiVersion": "batch/v1", **listed})
        self.watched_from.append(request.query["resourceVersion"])
        answer = web.StreamResponse()
        await answer.prepare(request)
        if len(self.watched_from) == 1:
            await answer.write(line("ADDED", job("b", 12)) + line("MODIFIED", job("b", 13)))
            return answer
        await answer.write(line("DELETED", job("a", 14)))
        await asyncio.Event().wait()
        return answer


def test_kopf_lists_and_watches_and_goes_on_where_a_watch_broke(caplog: pytest.LogCaptureFixture) -> None:
    told: Told = []
    mirrored: list[str] = []
    server = ApiServer()

    async def scenario() -> None:
        runner, port = web.AppRunner(server.app, shutdown_timeout=0.1), free_port()
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        found = follower(told, JOBS)
        watching = asyncio.create_task(_watch(found, port))
        try:
            while ("DELETED", "a") not in told:
                await asyncio.sleep(0.01)
                assert not watching.done()
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            await runner.cleanup()
        mirrored.extend(obj["metadata"]["name"] for obj in found.mirror.all(JOB))

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert told == [(None, "a"), ("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a")]
    assert server.watched_from == ["11", "13"]
    assert mirrored == ["b"]
    assert "kopf was told" not in caplog.text


async def _watch(found: Follower, port: int) -> None:
    async def again(_: object) -> None:
        raise AssertionError("listed more than once")

    registry = kopf.OperatorRegistry()
    ear = Ear(Pulse(asyncio.get_running_loop().time), Listings(again), found)

    session = watches.session(kopf.ConnectionInfo(server=f"http://127.0.0.1:{port}"), ear)

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return session

    watches.follow(registry, [JOB])
    async with session.aiohttp_session:
        await watches.watch(registry, watches.settings(everywhere=False), (), lambda: None)
