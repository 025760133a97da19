"""Requests by the clock, on a clock that a test turns: queues show, and rates are found."""

import numpy as np
import pytest

from burnish_engine.request import LatencyGoal, OptimizationRequest
from burnish_optimizer.measure.open_loop import Goal, arrivals, drive
from burnish_optimizer.measure.rates import RateSearch
from burnish_optimizer.measure.sustained import Patience, goal_of, sustain
from burnish_optimizer.tasks import OpenLoopRun

EASY = Goal(percentile=99, seconds=1e9)


class World:
    """A clock that moves when somebody waits or works."""

    def __init__(self):
        self.time = 100.0

    def now(self):
        return self.time

    def wait_until(self, moment):
        self.time = max(self.time, moment)

    def __call__(self):
        return self.time


class Model:
    """Takes `seconds` for each answer; a disturbance makes every answer of some trials slow."""

    def __init__(self, world, seconds, disturbed=()):
        self.world, self.seconds, self.disturbed, self.trials = world, seconds, disturbed, 0

    def serve(self):
        self.world.time += self.seconds

    def open_loop(self, rate, seconds, seed, goal):
        self.trials += 1
        slow = self.seconds * (50 if self.trials in self.disturbed else 1)
        moments = arrivals(rate, seconds, seed)

        def answer():
            self.world.time += slow

        found = drive(answer, moments, goal, self.world)
        return OpenLoopRun(requests=len(moments), latencies_seconds=found)


def test_arrivals_are_those_of_a_poisson_clock():
    moments = arrivals(rate=500.0, seconds=40.0, seed=3)
    gaps = np.diff(moments)
    assert len(moments) == pytest.approx(20_000, rel=0.03)
    assert 0 < moments[0] < moments[-1] < 40
    assert gaps.mean() == pytest.approx(1 / 500, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # of an exponential they are equal


def test_one_seed_is_one_pattern_that_a_rate_only_stretches():
    slow, fast = arrivals(10.0, 20.0, seed=7), arrivals(20.0, 10.0, seed=7)
    np.testing.assert_allclose(slow, fast * 2)
    assert not np.array_equal(slow, arrivals(10.0, 20.0, seed=8))


def test_a_rate_without_an_arrival_in_time_gives_none():
    assert arrivals(0.001, 0.001, seed=1).size == 0


def test_latency_counts_from_the_scheduled_arrival():
    world = World()
    latencies = drive(Model(world, 1.0).serve, [0.0, 0.1, 0.2, 10.0], EASY, world)
    assert latencies == pytest.approx((1.0, 1.9, 2.8, 1.0))


def test_one_pause_is_felt_by_all_who_arrive_meanwhile():
    """A closed loop would report one slow answer among a hundred."""
    world, taken = World(), iter([0.001] * 10 + [1.0] + [0.001] * 89)

    def serve():
        world.time += next(taken)

    latencies = drive(serve, np.arange(100) * 0.01, EASY, world)
    assert sum(latency > 0.1 for latency in latencies) > 80


def test_a_goal_that_is_lost_ends_the_trial():
    world = World()
    goal = Goal(percentile=90, seconds=0.5)
    latencies = drive(Model(world, 1.0).serve, list(range(100)), goal, world)
    assert len(latencies) == 11
    assert not goal.is_kept(latencies, requests=100)


@pytest.mark.parametrize(
    ("slow", "requests", "kept"),
    [(1, 100, True), (2, 100, False), (0, 20, True), (1, 20, False), (0, 0, False)],
)
def test_a_percentile_allows_its_share_of_slow_answers(slow, requests, kept):
    goal = Goal(percentile=99, seconds=0.1)
    latencies = [0.2] * slow + [0.05] * (requests - slow)
    assert goal.is_kept(latencies, requests) is kept


def test_what_was_not_answered_is_slow():
    assert not Goal(percentile=99, seconds=0.1).is_kept([0.05] * 98, requests=100)


def searched(highest, capacity=100.0):
    search = RateSearch(capacity)
    count = 0
    while (trial := search.trial) is not None:
        search.tell(trial.rate <= highest)
        count += 1
        assert count < 60
    return search


@pytest.mark.parametrize("highest", [3.0, 40.0, 61.8, 94.0])
def test_halving_ends_near_the_highest_rate(highest):
    found = searched(highest)
    assert found.kept <= highest <= found.lost <= found.kept * 1.051


def test_where_no_rate_keeps_the_goal_none_is_told():
    assert searched(0.0).kept == 0.0


def test_a_rate_needs_two_of_three_patterns():
    search = RateSearch(100.0)
    seeds = []
    for kept in (True, False, True):
        seeds.append(search.trial.seed)
        search.tell(kept)
    assert seeds == [0, 1, 2]
    assert search.kept == 50.0
    search.tell(False)
    search.tell(False)
    assert (search.kept, search.lost) == (50.0, 75.0)


def test_without_a_goal_of_its_own_ten_times_the_baselines_p50_is_the_limit():
    assert goal_of(OptimizationRequest(), 0.004) == Goal(99.0, 0.04)
    own = OptimizationRequest(latency=LatencyGoal(percentile=95, seconds=0.02))
    assert goal_of(own, 0.004) == Goal(95, 0.02)


PATIENT = Patience(seconds=1e6, requests=2000, least_seconds=1.0, most_seconds=1e6)


def test_a_model_twice_as_fast_sustains_about_twice_the_rate():
    world = World()
    sides = [(Model(world, seconds), 1 / seconds) for seconds in (0.010, 0.005)]
    slow, fast = sustain(sides, Goal(99, 0.1), 4, world, PATIENT)
    assert 0.6 * 400 < slow.samples_per_second.value < 400
    assert fast.samples_per_second.value > 1.9 * slow.samples_per_second.value
    for found in (slow, fast):
        rate = found.samples_per_second
        assert rate.low == rate.value < rate.high <= rate.value * 1.051
        assert found.latency_seconds <= found.limit_seconds == 0.1
        assert found.requests > 1000


def test_queues_show_a_tight_goal_allows_far_less_than_the_capacity():
    world = World()
    (found,) = sustain([(Model(world, 0.010), 100.0)], Goal(99, 0.015), 1, world, PATIENT)
    assert found.samples_per_second.value < 30


def test_a_disturbed_trial_is_tried_again():
    world = World()
    (found,) = sustain([(Model(world, 0.01, disturbed={1}), 100.0)], Goal(99, 0.1), 1, world, PATIENT)
    (calm,) = sustain([(Model(world, 0.01), 100.0)], Goal(99, 0.1), 1, world, PATIENT)
    assert found.samples_per_second == calm.samples_per_second


def test_what_was_not_found_in_time_is_absent():
    world = World()
    sides = [(Model(world, 0.01), 100.0)]
    assert sustain(sides, Goal(99, 0.1), 1, world, Patience(seconds=0.0)) == (None,)
    assert sustain(sides, Goal(99, 0.009), 1, world, PATIENT) == (None,)  # slower than the goal when alone


def test_time_is_bounded_and_what_was_found_by_then_is_told():
    world = World()
    begun = world.now()
    sides = [(Model(world, 0.01), 100.0)] * 2
    found = sustain(sides, Goal(99, 0.1), 1, world, Patience(seconds=6.0))
    assert world.now() - begun < 6.0 + 2 * 1.7
    assert all(rate and rate.samples_per_second.high > rate.samples_per_second.low for rate in found)
