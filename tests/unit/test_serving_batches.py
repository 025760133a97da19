"""Batches around sessions that count, block, break and cheat: what threads and event loop make of them."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from burnish_engine.coverage import Coverage
from burnish_engine.descriptor import TensorSpec
from burnish_runtime.errors import InvalidInput
from burnish_runtime.session import Array
from burnish_serving.errors import DeadlineExceeded, NotReady, Overloaded
from burnish_serving.scheduling.execution import Answered, Call, Execution, Outcome, execute, join, split
from burnish_serving.scheduling.groups import Profile
from burnish_serving.scheduling.policy import Policy
from burnish_serving.scheduling.runner import Runner
from burnish_serving.scheduling.schedule import Schedule
from burnish_serving.scheduling.terms import Terms
from burnish_serving.scheduling.tolerance import Tolerance

BAD = -1.0
FLAT = Profile({1: 0.01, 2: 0.01, 4: 0.01, 8: 0.01})


class Doubler:
    """`y = 2 x`. Refuses rows with BAD in them; waits for `go` before every run."""

    inputs = (TensorSpec(name="x", dtype="float32", shape=(None, None)),)
    outputs = (TensorSpec(name="y", dtype="float32", shape=(None, None)),)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.go = threading.Event()
        self.go.set()
        self.began, self.closed = threading.Event(), threading.Event()

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        self.shapes.append(feeds["x"].shape)
        self.began.set()
        assert self.go.wait(30)
        if (feeds["x"] == BAD).any():
            raise InvalidInput("x", found="a bad row", expected="good rows")
        return {"y": self.answer(feeds["x"])}

    def answer(self, x: Array) -> Array:
        return 2 * x

    def coverage(self) -> Coverage:
        return Coverage(nodes=1)

    def close(self) -> None:
        """Nothing may run any more."""
        assert self.go.is_set()
        self.closed.set()


class Cheat(Doubler):
    """Rows know of each other."""

    def answer(self, x: Array) -> Array:
        return 2 * x + (len(x) - 1)


class Summary(Doubler):
    """One row of answers, whatever comes in."""

    def answer(self, x: Array) -> Array:
        return x.sum(axis=0, keepdims=True)


def call(*values: float) -> Call:
    array = np.array([values], np.float32).T
    return Call({"x": array}, ["y"], len(values))


def values(outcome: Outcome) -> list[Any]:
    return [
        one.answers["y"].ravel().tolist() if isinstance(one, Answered) else one for one in outcome.results
    ]


def test_a_batch_is_one_run_and_everybody_gets_their_rows() -> None:
    session = Doubler()
    outcome = execute(session, [call(1), call(2, 3), call(4)])
    assert values(outcome) == [[2], [4, 6], [8]]
    assert session.shapes == [(4, 1)]
    assert [(run.calls, run.rows) for run in outcome.executions] == [(3, 4)]


def test_answers_are_views_of_the_batch() -> None:
    answers = {"y": np.arange(6).reshape(3, 2)}
    parts = split(answers, [1, 2])
    assert parts is not None
    assert all(np.shares_memory(part["y"], answers["y"]) for part in parts)


def test_texts_are_joined_too() -> None:
    texts = [{"x": np.array([[text]], dtype=object)} for text in ("a", "é")]
    assert join(texts)["x"].tolist() == [["a"], ["é"]]


def test_a_bad_request_costs_the_others_nothing() -> None:
    outcome = execute(Doubler(), [call(1), call(BAD), call(3)])
    first, bad, last = values(outcome)
    assert (first, last) == ([2], [6])
    assert isinstance(bad, InvalidInput)
    assert len(outcome.executions) == 2


def test_an_audit_finds_an_engine_whose_rows_know_of_each_other() -> None:
    outcome = execute(Cheat(), [call(1), call(2)], audited=Tolerance())
    assert "differs in a batch" in outcome.mismatch
    assert values(outcome) == [[2], [4]]  # nobody gets an answer that is wrong


def test_an_engine_that_does_not_answer_by_rows_is_found_without_an_audit() -> None:
    outcome = execute(Summary(), [call(1), call(2)])
    assert "other rows" in outcome.mismatch
    assert values(outcome) == [[1], [2]]


@pytest.mark.parametrize(
    ("relative", "found", "holds"),
    [
        (0.0, [1.0, 2.0], True),
        (0.0, [1.0, 2.0000002], False),
        (1e-6, [1.000001, 2.0], True),
        (1e-6, [1.0001, 2.0], False),
        (1e-6, [np.nan, 2.0], False),
        (1e-6, [1.0], False),
    ],
)
def test_tolerance_is_relative_to_the_largest_value(relative: float, found: list[float], holds: bool) -> None:
    expected = {"y": np.array([1.0, 2.0], np.float32)}
    excess = Tolerance(relative).excess({"y": np.array(found, np.float32)}, expected)
    assert (excess == "") is holds


def test_infinities_and_missing_numbers_are_answers_like_others() -> None:
    special = {"y": np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)}
    assert Tolerance(1e-3).excess(special, {"y": special["y"].copy()}) == ""
    other = {"y": np.array([np.nan, np.inf, np.inf, 1.0], np.float32)}
    assert Tolerance(1e-3).excess(other, special)


@pytest.mark.parametrize("dtype", ["int64", "bool", "object"])
def test_whole_numbers_and_texts_must_be_equal(dtype: str) -> None:
    expected = {"y": np.array([1, 0]).astype(dtype)}
    assert Tolerance(0.5).excess({"y": expected["y"].copy()}, expected) == ""
    assert Tolerance(0.5).excess({"y": np.array([0, 0]).astype(dtype)}, expected)


def test_bfloat16_is_compared_by_value() -> None:
    tolerance = Tolerance(0.01, frozenset({"y"}))
    one = {"y": np.array([0x3F80], np.uint16)}
    assert tolerance.excess({"y": np.array([0x3F81], np.uint16)}, one) == ""  # 1.0078125
    assert tolerance.excess({"y": np.array([0x4000], np.uint16)}, one)  # 2.0


@dataclass
class Seen:
    """What a runner tells."""

    runs: list[Execution] = field(default_factory=list)
    waited: list[int] = field(default_factory=list)
    mismatches: int = 0

    def executed(self, execution: Execution) -> None:
        self.runs.append(execution)

    def waiting(self, count: int) -> None:
        self.waited.append(count)

    def mismatched(self) -> None:
        self.mismatches += 1


class Room:
    """A runner around a session, its engine held until `release`."""

    def __init__(self, session: Doubler | None = None, **changes: Any) -> None:
        self.session, self.seen = session or Doubler(), Seen()
        policy = Policy(max_rows=8, sizes=(1, 2, 4, 8), max_delay_seconds=0.0)
        schedule = replace(Schedule(policy, FLAT), **changes)
        self.runner = Runner("m", self.session, schedule, self.seen)

    async def ask(self, *numbers: float, terms: Terms = Terms()) -> list[float]:  # noqa: B008 - frozen
        one = call(*numbers)
        computed = await self.runner.run(one.feeds, one.wanted, terms)
        return [float(value) for value in computed.answers["y"].ravel()]

    async def held(self) -> "asyncio.Task[list[float]]":
        """Keep the engine busy with a request of its own."""
        self.session.go.clear()
        task = asyncio.create_task(self.ask(100.0))
        await asyncio.to_thread(self.session.began.wait, 30)
        return task

    def release(self) -> None:
        self.session.go.set()


def play(room: Room, scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 30)

    try:
        asyncio.run(bounded())
    finally:
        room.release()
        room.runner.close()


async def begun(*tasks: Awaitable[Any]) -> list["asyncio.Task[Any]"]:
    """Tasks that have come as far as they can without the engine."""
    made = [asyncio.ensure_future(task) for task in tasks]
    for _ in range(5):
        await asyncio.sleep(0)
    return made  # type: ignore[return-value]


def test_requests_that_waited_share_a_run() -> None:
    room = Room()

    async def scenario() -> None:
        first = await room.held()
        others = await begun(room.ask(1), room.ask(2, 3), room.ask(4))
        room.release()
        assert await asyncio.gather(first, *others) == [[200], [2], [4, 6], [8]]

    play(room, scenario)
    assert room.session.shapes == [(1, 1), (4, 1)]
    assert [(run.calls, run.rows) for run in room.seen.runs] == [(1, 1), (3, 4)]
    assert max(room.seen.waited) == 3
    assert room.seen.waited[-1] == 0


def test_a_cancelled_request_is_never_computed() -> None:
    room = Room()

    async def scenario() -> None:
        first = await room.held()
        gone, stays = await begun(room.ask(1), room.ask(2))
        gone.cancel()
        await asyncio.sleep(0)
        room.release()
        assert await asyncio.gather(first, stays) == [[200], [4]]
        assert gone.cancelled()

    play(room, scenario)
    assert room.session.shapes == [(1, 1), (1, 1)]


def test_a_request_whose_time_is_over_is_answered_then_and_never_computed() -> None:
    room = Room()

    async def scenario() -> None:
        first = await room.held()
        with pytest.raises(DeadlineExceeded):
            await room.ask(1, terms=Terms(deadline=time.monotonic() + 0.05))
        assert not first.done()
        room.release()
        await first
        with pytest.raises(DeadlineExceeded):
            await room.ask(1, terms=Terms(deadline=time.monotonic() - 1))

    play(room, scenario)
    assert room.session.shapes == [(1, 1)]


def test_a_request_that_fails_in_a_batch_fails_alone() -> None:
    room = Room()

    async def scenario() -> None:
        first = await room.held()
        good, bad, fine = await begun(room.ask(1), room.ask(BAD), room.ask(3))
        room.release()
        await first
        assert (await good, await fine) == ([2], [6])
        with pytest.raises(InvalidInput):
            await bad

    play(room, scenario)
    assert room.seen.mismatches == 0


def test_an_engine_that_cheats_is_found_and_batching_ends() -> None:
    room = Room(Cheat(), audit_every=1)

    async def scenario() -> None:
        for _ in range(2):
            room.session.began.clear()
            first = await room.held()
            others = await begun(room.ask(1), room.ask(2), room.ask(3))
            room.release()
            assert await asyncio.gather(first, *others) == [[200], [2], [4], [6]]

    play(room, scenario)
    assert room.seen.mismatches == 1
    assert [shape[0] for shape in room.session.shapes].count(3) == 1


def test_an_overloaded_engine_refuses_at_once_and_answers_what_it_took() -> None:
    policy = Policy(max_rows=1, goal_seconds=0.045)
    room = Room(policy=policy, profile=Profile({1: 0.01}))

    async def scenario() -> None:
        first = await room.held()
        asked = await begun(*(room.ask(number) for number in range(20)))
        refused = [task for task in asked if task.done()]
        assert 0 < len(refused) < 20
        for task in refused:
            error = task.exception()
            assert isinstance(error, Overloaded)
            assert error.retry_after_seconds > 0
        room.release()
        await first
        for number, task in enumerate(asked):
            if task not in refused:
                assert await task == [2 * number]

    play(room, scenario)


def test_who_is_urgent_runs_first() -> None:
    room, order = Room(policy=Policy()), []

    async def ask(number: int, priority: int) -> None:
        await room.ask(number, terms=Terms(priority=priority))
        order.append(number)

    async def scenario() -> None:
        first = await room.held()
        others = await begun(ask(3, 9), ask(2, 0), ask(1, 1))
        room.release()
        await asyncio.gather(first, *others)

    play(room, scenario)
    assert order == [1, 2, 3]


def test_two_instances_run_at_the_same_time() -> None:
    room = Room(policy=Policy(instances=2))

    async def scenario() -> None:
        first = await room.held()
        room.session.began.clear()
        second = await room.held()
        assert not first.done()
        room.release()
        await asyncio.gather(first, second)

    play(room, scenario)


def test_a_closed_runner_answers_what_waits_and_takes_nothing_more() -> None:
    room = Room()

    async def scenario() -> None:
        first = await room.held()
        (waits,) = await begun(room.ask(1))
        room.runner.close()
        with pytest.raises(NotReady):
            await room.ask(2)
        room.release()
        assert await asyncio.gather(first, waits) == [[200], [2]]

    play(room, scenario)


def test_unloading_waits_for_what_runs_even_if_nobody_wants_it_any_more() -> None:
    room = Room()

    async def scenario() -> None:
        first = await room.held()
        (waits,) = await begun(room.ask(1))
        first.cancel()
        (unloading,) = await begun(room.runner.unload())
        waits.cancel()
        await asyncio.sleep(0.01)
        assert not room.session.closed.is_set()
        room.release()
        await unloading
        assert room.session.closed.is_set()
        assert room.session.shapes == [(1, 1)]

    play(room, scenario)


def test_an_idle_engine_is_unloaded_at_once() -> None:
    room = Room()

    async def scenario() -> None:
        assert await room.ask(1) == [2]
        await room.runner.unload()
        assert room.session.closed.is_set()

    play(room, scenario)
