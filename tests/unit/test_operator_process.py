"""How the process ends: in the midst of a turn, with a turn that hangs, without its lease."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from burnish_operator import process
from burnish_operator.errands import Errands
from burnish_operator.handlers import Key
from burnish_operator.leader import Elector, LeaseLost
from burnish_operator.lease import Terms
from burnish_operator.queue import WorkQueue
from burnish_operator.turns import Turns
from fakes.leases import FakeLease

KEY, LATER = Key("team", "pages"), Key("team", "later")


class Life:
    """A process with one worker whose turns end when `let_go` is set."""

    def __init__(self) -> None:
        self.lease, self.queue = FakeLease(), WorkQueue[Key](lambda: 0.0)
        self.errands = Errands("events", 1)
        self.turns = Turns(self.queue, 1, self.work, self.errands)
        self.leader = Elector(self.lease, "a", Terms(15), lambda: 0.0, lambda: "now")
        self.began, self.let_go = asyncio.Event(), asyncio.Event()
        self.worked: list[Key] = []

    async def work(self, key: Key) -> float | None:
        """One turn."""
        self.worked.append(key)
        self.began.set()
        await self.let_go.wait()
        return None

    def holder(self) -> str:
        return self.lease.wrote[-1].holder


def lived(life: Callable[[Life, asyncio.Task[None]], Awaitable[None]]) -> None:
    """A process that is asked to end in the midst of a turn; another key waits. `life` is what follows."""

    async def scenario() -> None:
        found = Life()
        await found.queue.wake(KEY)
        await found.queue.wake(LATER)
        leading = asyncio.create_task(process._lead(found.leader, found.turns))
        watching: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(3600.0))
        await found.began.wait()
        ending = asyncio.create_task(process._end(found.leader, found.turns, leading, watching))
        await life(found, ending)
        await ending
        assert watching.cancelled()

    asyncio.run(scenario())


def test_a_turn_under_way_ends_before_the_lease_is_given_back_and_no_other_begins() -> None:
    async def life(found: Life, ending: asyncio.Task[None]) -> None:
        await asyncio.sleep(0.05)
        assert (found.holder(), found.leader.leads) == ("a", True)
        found.let_go.set()
        await ending
        assert (found.holder(), found.leader.leads) == ("", False)
        assert found.worked == [KEY]

    lived(life)


def test_a_turn_that_hangs_keeps_the_lease_from_being_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "DRAIN_SECONDS", 0.05)

    async def life(found: Life, ending: asyncio.Task[None]) -> None:
        await ending
        assert found.holder() == "a"

    lived(life)


def test_events_of_turns_that_ended_are_posted_before_the_lease_is_given_back() -> None:
    may_post, holders = threading.Event(), list[str]()

    def post(found: Life) -> None:
        may_post.wait()
        holders.append(found.holder())

    async def life(found: Life, ending: asyncio.Task[None]) -> None:
        for _ in range(3):
            found.errands.run("pages", lambda: post(found))
        found.let_go.set()
        await asyncio.sleep(0.05)
        assert found.holder() == "a"
        may_post.set()
        await ending
        assert (holders, found.holder()) == (["a", "a", "a"], "")

    lived(life)


def test_events_that_find_no_time_are_dropped_and_one_under_way_keeps_the_lease(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "DRAIN_SECONDS", 0.05)
    may_post, posted = threading.Event(), list[bool]()

    async def life(found: Life, ending: asyncio.Task[None]) -> None:
        found.errands.run("pages", lambda: posted.append(may_post.wait()))
        for _ in range(2):
            found.errands.run("pages", lambda: posted.append(False))
        found.let_go.set()
        await ending
        assert found.holder() == "a"

    lived(life)
    assert posted == []
    may_post.set()
    assert "2 events were dropped" in caplog.text


def test_a_lease_that_is_lost_is_no_success() -> None:
    async def lost() -> None:
        raise LeaseLost("a", found="the lease held by b", expected="to lead")

    async def scenario() -> None:
        task = asyncio.create_task(lost())
        await asyncio.wait({task})
        assert process._told({task}) == 1
        assert process._told(set()) == 0

    asyncio.run(scenario())
