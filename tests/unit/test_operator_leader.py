"""One candidate: when it leads, when it may write, and how it ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from burnish_operator.errors import NotLeading
from burnish_operator.leader import Elector, LeaseLost
from burnish_operator.lease import Record, Stored, Terms
from fakes.leases import FakeLease, unavailable

# So long that nothing here waits for it: time is what `now` says.
TERMS = Terms(15)


class Clock:
    now = 0.0

    def elapsed(self) -> float:
        return self.now

    def stamp(self) -> str:
        return f"t{self.now}"


def elector(lease: FakeLease, clock: Clock, me: str = "a", terms: Terms = TERMS) -> Elector:
    return Elector(lease, me, terms, clock.elapsed, clock.stamp)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_nobody_writes_before_it_leads() -> None:
    with pytest.raises(NotLeading):
        elector(FakeLease(), Clock()).seconds_left()


def test_a_write_may_last_until_the_lease_ends_and_begins_well_before() -> None:
    clock = Clock()
    leader = elector(FakeLease(), clock)
    run(leader.campaign())
    assert (leader.leads, leader.seconds_left()) == (True, 15.0)
    clock.now = 9.9
    assert leader.seconds_left() == pytest.approx(5.1)
    clock.now = 10.0
    assert not leader.leads
    with pytest.raises(NotLeading):
        leader.seconds_left()


def test_the_term_counts_from_before_the_request_was_sent() -> None:
    clock = Clock()

    def slow() -> None:
        clock.now += 4.0

    leader = elector(FakeLease(after=slow), clock)
    run(leader.campaign())
    assert clock.now == 8.0
    assert leader.seconds_left() == 7.0


def test_a_leader_that_wakes_too_late_has_lost_whoever_leads_now() -> None:
    clock = Clock()
    leader = elector(FakeLease(), clock)

    async def scenario() -> None:
        await leader.campaign()
        clock.now = 10.0
        with pytest.raises(LeaseLost, match="no renewal within its deadline"):
            await leader.hold()

    run(scenario())
    assert not leader.leads


def test_a_leader_that_sees_another_one_has_lost() -> None:
    clock, lease = Clock(), FakeLease()
    leader = elector(lease, clock, terms=Terms(3))

    async def scenario() -> None:
        await leader.campaign()
        lease.stored = Stored(Record("b", 3, "t5", "t5", 1), "99")
        with pytest.raises(LeaseLost, match="held by b"):
            await leader.hold()

    run(scenario())
    assert not leader.leads


def test_an_answer_that_is_lost_does_not_lose_the_lease() -> None:
    clock, lease = Clock(), FakeLease()
    leader = elector(lease, clock)

    async def scenario() -> None:
        await leader.campaign()
        lease.after = unavailable
        assert not await leader._try()
        lease.after = lambda: None
        clock.now = 5.0
        assert await leader._try()

    run(scenario())
    assert leader.seconds_left() == 15.0
    assert [record.holder for record in lease.wrote] == ["a", "a", "a"]


def test_what_is_given_back_is_taken_at_once_and_its_holder_writes_no_more() -> None:
    clock, lease = Clock(), FakeLease()
    first, second = elector(lease, clock, "a"), elector(lease, clock, "b")

    async def scenario() -> None:
        await first.campaign()
        assert not await second._try()
        await first.resign()
        await second.campaign()

    run(scenario())
    assert (first.leads, second.leads) == (False, True)
    assert [record.holder for record in lease.wrote] == ["a", "", "b"]
    assert lease.wrote[-1].transitions == 1


def test_a_standby_gives_nothing_back() -> None:
    clock, lease = Clock(), FakeLease()
    first, second = elector(lease, clock, "a"), elector(lease, clock, "b")

    async def scenario() -> None:
        await first.campaign()
        await second.resign()

    run(scenario())
    assert len(lease.wrote) == 1


def test_an_api_server_that_is_gone_does_not_keep_a_process_from_ending() -> None:
    lease = FakeLease(before=unavailable)
    run(elector(lease, Clock()).resign())
    assert lease.wrote == []
