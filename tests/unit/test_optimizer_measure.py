"""Figures: intervals, turns, and when it is enough."""

import re
from itertools import cycle

import numpy as np
import pytest

from burnish_engine.report import Estimate
from burnish_optimizer.measure.interleave import Windows, interleave, is_enough
from burnish_optimizer.measure.statistics import Rounds, latency, percentile, ratio, throughput, unsteady


class Side:
    """Answers in fixed times, and advances a clock by them."""

    def __init__(self, name, seconds, world):
        self.name, self.seconds, self.world = name, cycle(seconds), world

    def round(self, seconds):
        taken = tuple(next(self.seconds) for _ in range(3))
        self.world["now"] += sum(taken)
        self.world["turns"].append(self.name)
        return taken


def run(old, new, **windows):
    world = {"now": 0.0, "turns": []}
    sides = Side("A", old, world), Side("B", new, world)
    rounds = interleave(*sides, Windows(**windows), lambda: world["now"])
    return rounds, world


def test_turns_go_there_and_back():
    _, world = run([0.010], [0.005], min_pairs=4)
    assert "".join(world["turns"]) == "ABBAABBA"


def test_a_steady_ratio_needs_no_more_than_the_least():
    rounds, _ = run([0.010], [0.005], min_pairs=5)
    assert len(rounds.baseline) == len(rounds.candidate) == 5
    assert ratio(rounds).value == pytest.approx(0.5)


def test_an_unsteady_tie_is_measured_until_patience_ends():
    noise = list(np.random.default_rng(1).uniform(0.005, 0.015, 97))
    _, world = run(noise, noise[::-1], seconds=1.0, patience_seconds=3.0, precision=0.0001)
    assert 3.0 <= world["now"] < 3.2


def test_slow_models_get_the_least_number_of_pairs_only():
    rounds, world = run([5.0, 6.0], [4.0, 9.0], min_pairs=4, seconds=1.0, patience_seconds=2.0)
    assert len(rounds.baseline) == 4
    assert world["now"] > 2.0


@pytest.mark.parametrize(
    ("low", "value", "high", "seconds", "enough"),
    [
        (0.795, 0.80, 0.805, 0.1, True),  # stable
        (1.35, 1.60, 2.00, 0.1, True),  # clearly slower, however vague
        (0.70, 0.80, 0.90, 1.0, False),  # plain, and time is left
        (0.70, 0.80, 0.90, 3.0, True),  # plain, and time is up
        (0.90, 1.00, 1.10, 3.0, False),  # not plain: patience
        (0.90, 1.00, 1.10, 7.0, True),
    ],
)
def test_when_it_is_enough(low, value, high, seconds, enough):
    assert is_enough(Estimate(value=value, low=low, high=high), seconds, Windows()) is enough


def test_a_machine_that_slows_down_does_not_move_the_ratio():
    speeds = np.linspace(1, 4, 20)
    rounds = Rounds(tuple((0.010 * s,) * 5 for s in speeds), tuple((0.008 * s,) * 5 for s in speeds))
    estimate = ratio(rounds)
    assert estimate.low == pytest.approx(0.8)
    assert estimate.high == pytest.approx(0.8)


def test_the_mean_sees_spikes_that_the_median_does_not():
    rounds = Rounds(((0.01,) * 9,) * 4, ((*(0.005,) * 8, 0.1),) * 4)
    assert ratio(rounds).value == pytest.approx(0.5)
    assert ratio(rounds, percent=None).value > 1.5


def test_percentiles_lie_in_their_intervals_and_in_order():
    taken = np.random.default_rng(2).gamma(4, 0.001, 5000)
    found = latency(taken)
    for estimate in (found.p50, found.p90, found.p99):
        assert estimate.low <= estimate.value <= estimate.high
    assert found.p50.value < found.p90.value < found.p99.value
    assert percentile(taken, 50) == found.p50


def test_throughput_counts_samples_not_requests():
    assert throughput([0.1] * 10, batch=4).value == pytest.approx(40)


def test_a_ratio_that_stayed_vague_is_told_with_who_was_unsteady():
    noise = np.random.default_rng(3).uniform(0.005, 0.015, (12, 5))
    vague = Rounds(((0.010,) * 5,) * 12, tuple(map(tuple, noise)))
    assert re.search(r"known to ± \d+\.\d%, ± 1\.0% was wanted", unsteady(vague, 0.01))
    assert "the baseline's by 0.0%" in unsteady(vague, 0.01)


def test_of_a_steady_ratio_nothing_is_said():
    assert unsteady(Rounds(((0.010,) * 5,) * 8, ((0.005,) * 5,) * 8), 0.01) == ""
