"""Laws of the schedule, whatever comes: nothing is lost, nothing is mixed, nobody starves."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_serving.scheduling.policy import Policy
from burnish_serving.scheduling.terms import LEVEL_SECONDS, LOWEST_LEVEL, Terms
from burnish_serving.scheduling.waiting import Item, WaitingRoom
from support.schedules import Asked, Simulation, linear, sublinear

LAW = settings(max_examples=60)
MOMENTS = st.floats(0, 0.3).map(lambda moment: round(moment, 4))
POLICIES = st.builds(
    Policy,
    max_rows=st.sampled_from([1, 2, 8, 16]),
    sizes=st.just((1, 2, 4, 8, 16)),
    instances=st.integers(1, 3),
    goal_seconds=st.sampled_from([None, 0.03, 0.2]),
    max_delay_seconds=st.sampled_from([None, 0.0, 0.002]),
)
PROFILES = st.sampled_from([sublinear, linear])


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    at = draw(MOMENTS)
    later = st.none() | st.floats(0, 0.2).map(lambda seconds: round(at + seconds, 4))
    return Asked(
        at=at,
        key=draw(st.sampled_from("abc")),
        rows=draw(st.sampled_from([1, 1, 1, 2, 3, 20])),
        priority=draw(st.integers(0, 12)),
        deadline=draw(later),
        cancel_at=draw(later),
    )


SCENARIOS = st.lists(asked(), max_size=40)


@LAW
@given(SCENARIOS, POLICIES, PROFILES)
def test_every_request_has_exactly_one_fate(scenario: list[Asked], policy: Policy, profile: object) -> None:
    simulation = Simulation(policy, profile)  # type: ignore[arg-type]
    simulation.play(scenario)
    for one in scenario:
        assert len(one.fate) == 1, one
        assert len(one.ran) == (one.fate == ["answered"])
    assert simulation.scheduler.waiting == 0
    assert simulation.most_at_once <= policy.instances


@LAW
@given(st.lists(asked(), max_size=30), st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9))))
def test_the_waiting_room_knows_who_waits(scenario: list[Asked], leaving: list[tuple[str, int]]) -> None:
    room, groups = WaitingRoom[int](), Simulation(Policy(max_rows=8)).group
    waiting: list[Item[int]] = []
    for number, one in enumerate(scenario):
        item = Item(number, groups(one.key), one.rows, Terms(priority=one.priority).level, one.at, number)
        item.deadline = one.deadline
        room.add(item)
        waiting.append(item)
    for key, count in leaving:
        mine = sorted((item for item in waiting if item.group is groups(key)), key=lambda item: item.rank)
        if count == 9 and mine:
            room.discard(mine[-1])
            gone = mine[-1:]
        else:
            gone = room.take(groups(key), count) if mine else []
            assert gone == mine[:count]
        waiting = [item for item in waiting if item not in gone]
        rows = {item.group: 0 for item in waiting}
        for item in waiting:
            rows[item.group] += item.rows
        assert (len(room), room.rows_by_group()) == (len(waiting), rows)
        assert room.share_ahead(LOWEST_LEVEL) == (1.0 if waiting else 0.0)
        deadlines = [item.deadline for item in waiting if item.deadline is not None]
        assert room.earliest_deadline() == min(deadlines, default=None)


@LAW
@given(SCENARIOS, POLICIES, PROFILES)
def test_a_run_has_one_key_and_no_more_rows_than_allowed(
    scenario: list[Asked], policy: Policy, profile: object
) -> None:
    simulation = Simulation(policy, profile)  # type: ignore[arg-type]
    simulation.play(scenario)
    for run in simulation.runs:
        assert len({one.key for one in run.asked}) == 1
        assert len(run.asked) == 1 or sum(one.rows for one in run.asked) <= policy.max_rows


@LAW
@given(SCENARIOS, POLICIES, PROFILES)
def test_what_is_over_or_gone_is_not_computed(scenario: list[Asked], policy: Policy, profile: object) -> None:
    Simulation(policy, profile).play(scenario)  # type: ignore[arg-type]
    for one in scenario:
        for moment in one.ran:
            assert one.deadline is None or moment < one.deadline
            assert one.cancel_at is None or moment <= max(one.at, one.cancel_at)


@LAW
@given(SCENARIOS, POLICIES, PROFILES)
def test_equals_run_in_the_order_in_which_they_came(
    scenario: list[Asked], policy: Policy, profile: object
) -> None:
    Simulation(policy, profile).play(scenario)  # type: ignore[arg-type]
    ran = [one for one in scenario if one.ran]
    for one in ran:
        for other in ran:
            same = (one.key, Terms(priority=one.priority).level) == (
                other.key,
                Terms(priority=other.priority).level,
            )
            if same and one.at < other.at:
                assert one.ran <= other.ran


@LAW
@given(SCENARIOS, st.sampled_from([0.0, 0.001, 0.005]), PROFILES)
def test_an_engine_is_idle_no_longer_than_the_delay_while_somebody_waits(
    scenario: list[Asked], delay: float, profile: object
) -> None:
    policy = Policy(max_rows=8, sizes=(1, 2, 4, 8), max_delay_seconds=delay)
    simulation = Simulation(policy, profile)  # type: ignore[arg-type]
    simulation.play(scenario)
    ends = [run.at + run.seconds for run in simulation.runs]
    for run in simulation.runs:
        free = max((end for end in ends if end <= run.at + 1e-9), default=-math.inf)
        oldest = min(one.at for one in run.asked)
        assert run.at <= max(free, oldest) + delay + 1e-6


@settings(max_examples=10)
@given(st.lists(MOMENTS, min_size=1, max_size=30), st.integers(0, 10))
def test_nobody_starves(urgent: list[float], rival: int) -> None:
    """A stream of urgent requests that fills the engine for ever, and one request of the lowest level."""
    late = Asked(at=0.001, key="late", priority=10)
    flood = [Asked(at=0.005 * number, key="flood", priority=1) for number in range(3000)]
    others = [Asked(at=moment, key="other", priority=rival) for moment in urgent]
    Simulation(Policy(goal_seconds=1e9), linear, seeds={1: 0.010}).play([late, *flood, *others])
    assert late.fate == ["answered"]
    behind = 9 * LEVEL_SECONDS / 0.005
    assert sum(1 for one in flood if one.ran < late.ran) <= behind + 2


@LAW
@given(SCENARIOS, PROFILES)
def test_accepted_answers_keep_the_goal_when_service_times_are_known(
    scenario: list[Asked], profile: object
) -> None:
    """One level, no batches, exact figures: what is let in is answered within the goal (one may wait)."""
    for one in scenario:
        one.priority, one.rows, one.cancel_at, one.deadline = 0, 1, None, None
    goal = 0.05
    Simulation(Policy(goal_seconds=goal), profile, seeds={1: 0.010}).play(scenario)  # type: ignore[arg-type]
    for one in scenario:
        if one.ended:
            assert one.ended[0] - one.at <= goal + 1e-6
