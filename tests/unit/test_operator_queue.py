"""The queue: each key once, later when asked, slower when it keeps failing."""

import asyncio

from burnish_operator.queue import MAX_DELAY_SECONDS, Schedule, WorkQueue


def test_a_key_waits_once_and_is_worked_on_once_at_a_time() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake("a", 0.0)
    schedule.wake("a", 0.0)
    assert schedule.take(0.0) == "a"
    schedule.wake("a", 0.0)
    assert schedule.take(0.0) is None
    schedule.done("a")
    assert schedule.take(0.0) == "a"


def test_the_earliest_wish_wins() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake("a", 50.0)
    schedule.wake("a", 5.0)
    schedule.wake("a", 90.0)
    assert (schedule.next_due(), schedule.take(4.9), schedule.take(5.0)) == (5.0, None, "a")


def test_keys_are_taken_in_the_order_they_are_due() -> None:
    schedule: Schedule[str] = Schedule()
    for key, at in (("late", 3.0), ("early", 1.0), ("middle", 2.0)):
        schedule.wake(key, at)
    assert schedule.depth(2.5) == 2
    assert [schedule.take(9.0) for _ in range(3)] == ["early", "middle", "late"]


def test_failures_back_off_and_success_forgets_them() -> None:
    schedule: Schedule[str] = Schedule()
    delays = []
    for _ in range(12):
        schedule.wake("a", 0.0)
        schedule.take(1e9)
        delays.append(schedule.failed("a", 0.0))
    assert delays[:4] == [0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == MAX_DELAY_SECONDS
    schedule.take(1e9)
    schedule.done("a")
    schedule.wake("a", 0.0)
    schedule.take(0.0)
    assert schedule.failed("a", 0.0) == 0.5


def test_what_was_begun_is_not_behind_all_that_is_new() -> None:
    schedule: Schedule[int] = Schedule()
    for key in range(6):
        schedule.wake(key, 0.0)
    order = []
    for _ in range(8):
        key = schedule.take(1.0)
        assert key is not None
        order.append(key)
        schedule.done(key)
        if order.count(key) == 1:
            schedule.wake(key, 0.5)
    assert order == [0, 0, 1, 1, 2, 2, 3, 3]


def test_neither_lane_waits_for_the_other_for_ever() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake("busy", 0.0)
    schedule.take(0.0)
    schedule.done("busy")
    schedule.wake("new", 0.0)
    for _ in range(2):
        schedule.wake("busy", 0.0)
        if (key := schedule.take(0.0)) == "busy":
            schedule.done("busy")
    assert key == "new"


def test_a_key_that_is_forgotten_is_new_again() -> None:
    schedule: Schedule[str] = Schedule()
    for key in ("gone", "known"):
        schedule.wake(key, 0.0)
        schedule.take(0.0)
        schedule.done(key)
    schedule.forget("gone")
    assert vars(schedule)["_begun"] == {"known"}


def test_a_wake_before_a_later_one_is_handed_out_once() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.wake("a", 9.0)
    schedule.wake("a", 1.0)
    assert [schedule.take(10.0), schedule.take(10.0)] == ["a", None]
    schedule.wake("a", 2.0)
    schedule.done("a")
    assert [schedule.take(10.0), schedule.take(10.0)] == ["a", None]


def test_workers_finish_what_is_asked_and_try_again_what_fails() -> None:
    time = 0.0
    worked: list[str] = []

    async def scenario() -> None:
        nonlocal time
        queue: WorkQueue[str] = WorkQueue(lambda: time)
        finished = asyncio.Event()

        async def work(key: str) -> float | None:
            nonlocal time
            worked.append(key)
            time += 1.0
            if key == "flaky" and worked.count("flaky") == 1:
                raise ValueError("once")
            if len(worked) == 3:
                finished.set()
            return None

        task = asyncio.create_task(queue.run(2, work))
        await queue.wake("flaky")
        await queue.wake("steady")
        await finished.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert sorted(worked) == ["flaky", "flaky", "steady"]


def test_what_is_asked_for_while_all_wait_is_done_when_it_is_due() -> None:
    worked: list[str] = []

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
        finished = asyncio.Event()

        async def work(key: str) -> float | None:
            worked.append(key)
            if len(worked) == 4:
                finished.set()
            # Whoever took the first one is busy when the next ones are due.
            await asyncio.sleep(0.0 if worked[1:] else 3600.0)
            return 3600.0

        task = asyncio.create_task(queue.run(2, work))
        await asyncio.sleep(0.0)
        for key, seconds in (("third", 0.03), ("second", 0.02), ("first", 0.0), ("fourth", 0.04)):
            await queue.wake(key, seconds)
        await finished.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert worked == ["first", "second", "third", "fourth"]
