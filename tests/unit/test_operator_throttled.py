"""The API server asks for patience (429), or another process leads: turns are put off, told in no status."""

import asyncio

import pytest

from burnish_operator.adapters.kubernetes import error_of
from burnish_operator.errors import ClusterBusy, ClusterUnavailable, NotLeading, PutOff
from burnish_operator.queue import JITTER_SHARE, MAX_DELAY_SECONDS, Schedule, WorkQueue
from fakes.fleet import SMALL, Fleet, model, node


def busy(seconds: float | None) -> ClusterBusy:
    error = ClusterBusy("/api", found="429", expected="an answer")
    error.retry_after_seconds = seconds
    return error


@pytest.mark.parametrize(
    ("status", "told", "kind", "seconds"),
    [
        (429, "7", ClusterBusy, 7.0),
        (429, None, ClusterBusy, None),
        (429, "Fri, 31 Dec 1999 23:59:59 GMT", ClusterBusy, None),
        (503, "2", ClusterUnavailable, 2.0),
        (500, None, ClusterUnavailable, None),
    ],
)
def test_what_the_api_server_asks_for_is_kept(
    status: int, told: str | None, kind: type, seconds: float | None
) -> None:
    error = error_of("/api", status, b'{"message": "too many requests"}', told)
    assert type(error) is kind
    assert getattr(error, "retry_after_seconds", None) == seconds


def test_a_key_waits_as_long_as_was_asked_and_a_little_longer_by_chance() -> None:
    schedule: Schedule[str] = Schedule()
    assert schedule.failed("a", 0.0, at_least=9.0) == 9.0
    assert schedule.failed("a", 0.0, at_least=9.0, chance=1.0) == 9.0 * (1 + JITTER_SHARE)
    assert schedule.failed("a", 0.0, at_least=1e9) == MAX_DELAY_SECONDS


def test_who_is_asked_for_patience_is_asked_for_all_keys() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake("a", 0.0)
    schedule.close_until(5.0)
    assert (schedule.take(4.9), schedule.next_due(), schedule.take(5.0)) == (None, 5.0, "a")


def test_workers_begin_nothing_while_the_api_server_is_busy() -> None:
    time = 0.0
    worked: list[tuple[str, float]] = []

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(lambda: time, lambda: 0.0)
        met = asyncio.Event()

        async def work(key: str) -> float | None:
            worked.append((key, time))
            met.set()
            raise busy(60.0)

        await queue.wake("a")
        await queue.wake("b")
        running = asyncio.create_task(queue.run(1, work))
        await met.wait()
        await asyncio.sleep(0.05)
        await queue.close()
        await running

    asyncio.run(scenario())
    assert worked == [("a", 0.0)]


@pytest.mark.parametrize("error", [busy(1.0), NotLeading("me", found="no lease", expected="to lead")])
@pytest.mark.parametrize("kind", ["Job", "OptimizedModel"])
def test_a_turn_that_is_put_off_is_told_in_no_status(kind: str, error: PutOff) -> None:
    found = Fleet(node("a", SMALL))
    for _ in ("made", "seen"):
        found.inventory.reconcile()
    found.cluster.put(model())
    found.cluster.refuse[kind] = error
    with pytest.raises(type(error)):
        found.models.reconcile("team", "pages")
    assert found.status().conditions == ()
    found.cluster.refuse.clear()
    found.settle()
    assert found.condition("Ready")[0] == "True"
