"""When a request runs, and with whom: the pure schedule, by a clock of its own."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from burnish_serving.errors import DeadlineExceeded, Overloaded
from burnish_serving.scheduling.groups import REMEMBERED_GROUPS, Group, Groups, Profile, rows_of
from burnish_serving.scheduling.policy import Policy, preferred_sizes
from burnish_serving.scheduling.scheduler import Run, Scheduler, Wait
from burnish_serving.scheduling.service_time import HALF_LIFE_SECONDS, REMEMBERED_SIZES, ServiceTime
from burnish_serving.scheduling.sizing import best_count
from burnish_serving.scheduling.terms import ANY_TIME, DEFAULT_LEVEL, LOWEST_LEVEL, Terms
from burnish_serving.scheduling.usual import ALIKE, PRIORITY_SECONDS, READ_ONE_IN
from burnish_serving.scheduling.waiting import Item
from support.schedules import SUBLINEAR, Asked, Simulation, linear, sublinear

BATCHING = Policy(max_rows=8, sizes=(1, 2, 4, 8))


def burst(count: int, at: float = 0.0, **asked: object) -> list[Asked]:
    return [Asked(at=at, **asked) for _ in range(count)]  # type: ignore[arg-type]


def sizes(simulation: Simulation) -> list[int]:
    return [sum(one.rows for one in run.asked) for run in simulation.runs]


def test_a_request_alone_runs_at_once() -> None:
    simulation = Simulation(BATCHING)
    simulation.play([Asked(at=0.1), Asked(at=0.2), Asked(at=0.3)])
    assert [run.at for run in simulation.runs] == [0.1, 0.2, 0.3]


def test_what_came_while_the_engine_ran_runs_together() -> None:
    simulation = Simulation(BATCHING)
    simulation.play([Asked(at=0.0), *burst(6, 0.001)])
    assert sizes(simulation) == [1, 6]


def test_a_batch_is_no_larger_than_was_tried() -> None:
    simulation = Simulation(BATCHING)
    simulation.play([Asked(at=0.0), *burst(11, 0.001)])
    assert sizes(simulation) == [1, 8, 3]


def test_a_request_of_more_rows_than_that_runs_alone() -> None:
    simulation = Simulation(BATCHING)
    simulation.play([Asked(at=0.0), Asked(at=0.001, rows=20), *burst(2, 0.002)])
    assert sizes(simulation) == [1, 20, 2]


def test_where_batches_gain_nothing_there_are_none() -> None:
    simulation = Simulation(BATCHING, linear, seeds={1: 0.01, 8: 0.08})
    simulation.play(burst(6))
    assert sizes(simulation) == [1] * 6


def test_keys_are_not_mixed_and_the_first_to_come_goes_first() -> None:
    simulation = Simulation(BATCHING)
    asked = [Asked(at=0.0), *[Asked(at=0.001 + 0.0001 * n, key="ba"[n % 2]) for n in range(6)]]
    simulation.play(asked)
    assert [(run.asked[0].key, len(run.asked)) for run in simulation.runs] == [("a", 1), ("b", 3), ("a", 3)]


def line(*dues: float) -> list[Item[None]]:
    group = Group(("a",), is_batchable=True, times=ServiceTime(SUBLINEAR))
    return [Item(None, group, 1, 5, 0.0, number, due=due) for number, due in enumerate(dues)]


def test_a_batch_leaves_out_those_that_would_make_others_late() -> None:
    assert best_count(line(0.0125, *[1.0] * 7), (1, 2, 4, 8), now=0.0) == 2


def test_one_that_is_late_anyway_does_not_make_batches_small() -> None:
    assert best_count(line(0.001, *[1.0] * 7), (1, 2, 4, 8), now=0.0) == 8


def test_one_is_not_saved_at_the_cost_of_several() -> None:
    assert best_count(line(0.012, *[0.0175] * 7), (1, 2, 4, 8), now=0.0) == 8


def test_clients_that_ask_again_at_once_are_waited_for() -> None:
    """Eight of them would split into two halves, each of which waits for the other's run."""
    clients = [Asked(at=0.0001 * number, again=200) for number in range(8)]
    waiting = Simulation(BATCHING)
    waiting.play(clients)
    hasty = Simulation(Policy(max_rows=8, sizes=(1, 2, 4, 8), max_delay_seconds=0.0))
    hasty.play([Asked(at=one.at, again=one.again) for one in clients])
    assert sum(sizes(waiting)) == sum(sizes(hasty)) == 8 * 201
    assert len(waiting.runs) < 0.75 * len(hasty.runs)
    assert waiting.runs[-1].at < 0.85 * hasty.runs[-1].at


@pytest.mark.parametrize("goal", [0.030, 0.060, 0.200])
@pytest.mark.parametrize("profile", [sublinear, linear])
def test_at_twice_the_load_what_is_taken_is_in_time_and_the_engine_is_busy(
    goal: float, profile: Callable[[int], float]
) -> None:
    seeds = {rows: profile(rows) for rows in (1, 2, 4, 8)}
    simulation = Simulation(Policy(max_rows=8, sizes=(1, 2, 4, 8), goal_seconds=goal), profile, seeds)
    gap = profile(8) / 8 / 2
    asked = [Asked(at=gap * number) for number in range(1000)]
    simulation.play(asked)
    answered = [one for one in asked if one.fate == ["answered"]]
    assert {one.fate[0] for one in asked} == {"answered", "Overloaded"}
    assert max(one.ended[0] - one.at for one in answered) <= goal + 1e-6
    assert sum(run.seconds for run in simulation.runs) > 0.9 * asked[-1].at


def test_nobody_waits_where_it_was_forbidden() -> None:
    simulation = Simulation(Policy(max_rows=8, sizes=(1, 2, 4, 8), max_delay_seconds=0.0))
    simulation.play([Asked(at=0.002 * n) for n in range(40)])
    for run, before in zip(simulation.runs[1:], simulation.runs, strict=False):
        assert run.at <= max(before.at + before.seconds, min(one.at for one in run.asked)) + 1e-9


def test_strangers_are_not_waited_for() -> None:
    """As many come as before, but not because others were answered: waiting would only make them late."""
    simulation = Simulation(BATCHING)
    simulation.play([Asked(at=0.0073 * number) for number in range(200)])
    for run, before in zip(simulation.runs[1:], simulation.runs, strict=False):
        assert run.at <= max(before.at + before.seconds, run.asked[0].at) + 1e-9


def test_nobody_waits_beyond_what_the_goal_leaves() -> None:
    goal = 0.030
    simulation = Simulation(Policy(max_rows=8, sizes=(1, 2, 4, 8), goal_seconds=goal))
    asked = [Asked(at=0.002 * n) for n in range(100)]
    simulation.play(asked)
    assert max(one.ended[0] - one.at for one in asked if one.ended) <= goal + 1e-6


def test_two_instances_run_two_batches() -> None:
    simulation = Simulation(Policy(max_rows=4, sizes=(1, 2, 4), instances=2))
    simulation.play(burst(8))
    assert simulation.most_at_once == 2


def test_priorities_go_first_and_equals_in_order() -> None:
    low, high = burst(3, 0.001, priority=8), burst(3, 0.002, priority=1)
    simulation = Simulation(Policy(), seeds={1: 0.01})
    simulation.play([Asked(at=0.0), *low, *high])
    assert [run.asked[0] for run in simulation.runs[1:]] == [*high, *low]


@pytest.mark.parametrize(("priority", "level"), [(0, DEFAULT_LEVEL), (1, 1), (7, 7), (10**9, LOWEST_LEVEL)])
def test_priority_zero_is_the_default_and_large_numbers_are_the_lowest(priority: int, level: int) -> None:
    assert Terms(priority=priority).level == level


def test_a_deadline_that_is_over_is_told_at_once() -> None:
    scheduler: Scheduler[str] = Scheduler("model 'm'", BATCHING)
    group = Simulation(BATCHING).group("a")
    with pytest.raises(DeadlineExceeded, match="model 'm'"):
        scheduler.submit("late", group, 1, now=2.0, terms=Terms(deadline=1.0))


def test_who_would_wait_beyond_the_deadline_is_refused_at_once() -> None:
    scheduler: Scheduler[str] = Scheduler("model 'm'", Policy())
    group = Simulation(Policy(), seeds={1: 1.0}).group("a")
    scheduler.submit("first", group, 1, now=0.0)
    assert isinstance(scheduler.next(0.0), Run)
    scheduler.submit("second", group, 1, now=0.1, terms=Terms(deadline=2.5))
    with pytest.raises(Overloaded, match=r"time left") as refused:
        scheduler.submit("third", group, 1, now=0.1, terms=Terms(deadline=2.5))
    assert refused.value.retry_after_seconds == pytest.approx(0.5)


def test_beyond_the_latency_goal_requests_are_refused_until_there_is_room() -> None:
    simulation = Simulation(Policy(goal_seconds=0.045), linear, seeds={1: 0.010})
    asked = [*burst(10), Asked(at=0.041)]
    simulation.play(asked)
    assert [one.fate[0] for one in asked] == ["answered"] * 4 + ["Overloaded"] * 6 + ["answered"]


def crowded() -> tuple[Scheduler[str], Group]:
    """A schedule that is full of requests which are all alike."""
    scheduler: Scheduler[str] = Scheduler("model 'm'", Policy(goal_seconds=0.045))
    group = Simulation(Policy(), seeds={1: 0.010}).group("a")
    for _ in range(ALIKE):
        if submitted(scheduler, group):
            scheduler.next(0.0)
    return scheduler, group


def submitted(scheduler: Scheduler[str], group: Group, terms: Terms = ANY_TIME) -> bool:
    try:
        scheduler.submit("one", group, 1, now=0.0, terms=terms)
    except Overloaded:
        return False
    return True


def let_in(scheduler: Scheduler[str], ahead: int = 0, now: float = 0.0) -> bool:
    try:
        scheduler.check_unread(ahead, now)
    except Overloaded:
        return False
    return True


def test_where_all_are_alike_one_is_refused_unread_and_some_are_read_nevertheless() -> None:
    scheduler, _ = crowded()
    found = [let_in(scheduler) for _ in range(4 * READ_ONE_IN)]
    assert found == [*[False] * (READ_ONE_IN - 1), True] * 4


def test_those_that_were_let_in_and_are_being_read_count_before_a_newcomer() -> None:
    scheduler: Scheduler[str] = Scheduler("model 'm'", Policy(goal_seconds=0.045))
    group = Simulation(Policy(), seeds={1: 0.010}).group("a")
    for _ in range(ALIKE):
        scheduler.cancel(scheduler.submit("one", group, 1, now=0.0))
    assert let_in(scheduler)
    assert [let_in(scheduler, ahead) for ahead in (3, 4)] == [True, False]


def test_a_request_is_not_refused_unread_where_another_kind_or_priority_came_lately() -> None:
    scheduler, group = crowded()
    submitted(scheduler, group, Terms(priority=1))
    for _ in range(ALIKE):
        submitted(scheduler, group)
    assert all(let_in(scheduler) for _ in range(READ_ONE_IN - 1))
    assert not let_in(scheduler, now=PRIORITY_SECONDS)
    submitted(scheduler, Simulation(Policy()).group("b"))
    assert all(let_in(scheduler, now=PRIORITY_SECONDS) for _ in range(READ_ONE_IN - 1))


def test_an_idle_engine_takes_what_is_longer_than_the_goal() -> None:
    simulation = Simulation(Policy(goal_seconds=0.001), seeds={1: 5.0})
    asked = [Asked(at=0.0), Asked(at=20.0)]
    simulation.play(asked)
    assert [one.fate for one in asked] == [["answered"]] * 2


def test_urgent_requests_do_not_count_the_others_as_wait() -> None:
    simulation = Simulation(Policy(goal_seconds=0.035), linear, seeds={1: 0.010})
    low, high = burst(3, priority=8), burst(2, 0.001, priority=1)
    simulation.play([*low, *high, *burst(1, 0.002, priority=8)])
    assert [one.fate[0] for one in (*low, *high)] == ["answered"] * 5


def test_an_engine_that_hangs_fills_no_queue() -> None:
    scheduler: Scheduler[str] = Scheduler("model 'm'", Policy(goal_seconds=0.1))
    group = Simulation(Policy(), seeds={1: 0.01}).group("a")
    scheduler.submit("hangs", group, 1, now=0.0)
    scheduler.next(0.0)
    scheduler.submit("next", group, 1, now=0.05)
    with pytest.raises(Overloaded):
        scheduler.submit("late", group, 1, now=5.0)


def test_without_a_goal_a_house_full_of_equals_is_taken() -> None:
    simulation = Simulation(Policy(), lambda rows: 0.5, seeds={1: 0.5})
    asked = burst(64)
    simulation.play(asked)
    assert all(one.fate == ["answered"] for one in asked)


def test_cancelled_and_expired_requests_leave_the_line() -> None:
    gone, over = Asked(at=0.001, cancel_at=0.002), Asked(at=0.001, deadline=0.004)
    simulation = Simulation(Policy(), seeds={})
    simulation.play([Asked(at=0.0), gone, over])
    assert (gone.fate, over.fate) == (["cancelled"], ["expired"])
    assert len(simulation.runs) == 1


def test_an_empty_schedule_waits_for_ever() -> None:
    assert Scheduler("model 'm'", BATCHING).next(0.0) == Wait(math.inf)


def test_batching_can_be_ended() -> None:
    simulation = Simulation(BATCHING)
    simulation.scheduler.stop_batching()
    simulation.play(burst(4))
    assert sizes(simulation) == [1] * 4


def test_service_times_between_and_beyond_what_was_measured() -> None:
    times = ServiceTime({1: 0.010, 4: 0.016})
    assert [times.seconds(rows, 0.0) for rows in (1, 2, 4, 8)] == pytest.approx([0.010, 0.012, 0.016, 0.032])


def test_service_times_follow_what_is_seen_and_forget_it() -> None:
    times = ServiceTime({1: 0.010, 8: 0.020})
    for _ in range(50):
        times.observe(1, 0.020, now=0.0)
    assert times.seconds(1, 0.0) == pytest.approx(0.020, rel=0.01)
    assert times.seconds(8, 0.0) == pytest.approx(0.040, rel=0.05)  # this machine is half as fast
    times.observe(8, 1.0, now=0.0)
    assert times.seconds(8, 20 * HALF_LIFE_SECONDS) < 0.3


def test_service_times_start_from_the_first_run_where_nothing_was_measured() -> None:
    times = ServiceTime({})
    assert times.seconds(4, 0.0) == 0.0
    assert not times.is_known
    times.observe(2, 0.010, now=0.0)
    assert times.seconds(4, 0.0) == pytest.approx(0.020)
    assert times.is_known


def test_service_times_remember_a_bounded_number_of_sizes() -> None:
    times = ServiceTime(SUBLINEAR)
    for rows in range(1, 1000):
        times.observe(rows, 0.01, now=0.0)
    assert len(times._seen) == REMEMBERED_SIZES


def feeds(*shapes: tuple[int, ...], dtype: str = "float32") -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    return {f"x{index}": np.zeros(shape, dtype) for index, shape in enumerate(shapes)}


def test_groups_are_told_apart_by_shape_type_and_outputs_but_not_by_rows() -> None:
    groups = Groups(Profile(), batching=True)
    group, rows = groups.of(feeds((2, 3)), ["y"])
    assert rows == 2
    assert groups.of(feeds((5, 3)), ["y"]) == (group, 5)
    assert groups.of(feeds((2, 4)), ["y"])[0] is not group
    assert groups.of(feeds((2, 3)), ["y", "z"])[0] is not group
    assert groups.of(feeds((2, 3), dtype="float64"), ["y"])[0] is not group


@pytest.mark.parametrize("shapes", [[(2, 3), (4, 3)], [(0, 3)], [()], [(2, 3), ()]])
def test_requests_whose_rows_do_not_agree_run_alone(shapes: list[tuple[int, ...]]) -> None:
    assert rows_of(feeds(*shapes)) is None
    group, rows = Groups(Profile(), batching=True).of(feeds(*shapes), ["y"])
    assert (group.is_batchable, rows) == (False, 1)


def test_other_shapes_are_expected_to_take_time_in_proportion() -> None:
    groups = Groups(Profile({1: 0.010, 4: 0.020}, elements=100), batching=True)
    group, _ = groups.of(feeds((1, 200)), ["y"])
    assert group.times.seconds(4, 0.0) == pytest.approx(0.040)


def test_a_bounded_number_of_groups_is_remembered() -> None:
    groups = Groups(Profile(), batching=True)
    for width in range(1, 2 * REMEMBERED_GROUPS):
        groups.of(feeds((1, width)), ["y"])
    assert len(groups._known) == REMEMBERED_GROUPS


def test_preferred_sizes_are_those_that_were_measured() -> None:
    assert preferred_sizes((1, 2, 4, 8, 16), 8) == (1, 2, 4, 8)
    assert preferred_sizes((1, 2, 4, 8), 6) == (1, 2, 4, 6)
    assert preferred_sizes((), 1) == (1,)
