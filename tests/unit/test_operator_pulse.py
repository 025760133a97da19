"""What is heard of watches, and what probes say of it."""

import asyncio

import httpx

from burnish_operator.probes import Probes
from burnish_operator.pulse import STALE_SECONDS, Pulse
from support.registry import free_port

JOBS = "/apis/batch/v1/namespaces/team/jobs"
OTHER_JOBS = "/apis/batch/v1/namespaces/other/jobs"


class Listener:
    """A pulse whose time is `now`."""

    def __init__(self, *expected: str) -> None:
        self.now = 0.0
        self.pulse = Pulse(lambda: self.now)
        self.pulse.expect(expected)


def test_nothing_is_ready_before_it_is_known_what_is_watched() -> None:
    assert Pulse(lambda: 0.0).waited_for() == ["what may be watched is not known"]


def test_ready_is_who_has_heard_of_all_that_it_watches() -> None:
    found = Listener("jobs", "pods")
    assert found.pulse.waited_for() == ["jobs", "pods"]
    found.pulse.heard("/api/v1/pods")
    found.pulse.asked(JOBS)
    assert found.pulse.waited_for() == [JOBS]
    found.pulse.heard(JOBS)
    assert found.pulse.waited_for() == []


def test_the_most_silent_watch_of_a_kind_is_told() -> None:
    found = Listener("jobs")
    found.pulse.heard(JOBS)
    found.now = 5.0
    found.pulse.heard(OTHER_JOBS)
    found.now = 7.0
    assert found.pulse.ages() == {"jobs": 7.0}


def test_a_watch_is_stale_that_asks_and_asks_and_hears_nothing() -> None:
    found = Listener("jobs")
    found.pulse.heard(JOBS)
    found.now = STALE_SECONDS
    found.pulse.asked(JOBS)
    assert found.pulse.stale() == []
    found.now = STALE_SECONDS + 1.0
    assert found.pulse.stale() == [f"{JOBS} has heard nothing for 301 s"]


def test_what_is_not_ours_to_watch_is_not_waited_for() -> None:
    found = Listener("jobs")
    found.pulse.asked("/api/v1/namespaces")
    found.pulse.heard(JOBS)
    found.now = 10.0
    assert (found.pulse.waited_for(), found.pulse.ages()) == ([], {"jobs": 10.0})


def probed(found: Listener, path: str, *, api_answers: bool) -> tuple[int, str]:
    async def scenario() -> tuple[int, str]:
        async def answers() -> bool:
            return api_answers

        port = free_port()
        async with Probes(found.pulse, answers, port), httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{port}{path}")
            return answer.status_code, answer.text

    return asyncio.run(scenario())


def test_who_waits_for_its_first_listing_lives_and_is_not_ready() -> None:
    found = Listener("jobs")
    assert probed(found, "/healthz", api_answers=True) == (200, "ok")
    assert probed(found, "/readyz", api_answers=True) == (503, "not watched yet: jobs")


def test_a_stale_watch_is_told_only_while_the_api_server_answers() -> None:
    found = Listener("jobs")
    found.pulse.heard(JOBS)
    found.now = STALE_SECONDS + 1.0
    assert probed(found, "/healthz", api_answers=False) == (200, "ok")
    assert probed(found, "/healthz", api_answers=True) == (503, f"{JOBS} has heard nothing for 301 s")
