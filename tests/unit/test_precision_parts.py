"""Parts of a mixture: how they are merged, and in which order precision is given back for which objective."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish_engine.report import PrecisionCurve
from burnish_engine.request import Minimize
from burnish_optimizer.precision.parts import Part, Sensitivity, curve, give_back_order, merged
from burnish_optimizer.report.curve import curve_plot
from burnish_optimizer.search.price import Price


def one(name, loss, seconds, size):
    return Sensitivity(part=Part(names=(name,), seconds_saved=seconds, bytes_saved=size), loss=loss)


FOUND = (one("slow", 1.0, 0.004, 10), one("large", 1.0, 0.001, 1000), one("harmless", 0.001, 0.002, 500))


def names(found):
    return [one.part.names[0] for one in found]


@pytest.mark.parametrize(
    ("minimize", "order"),
    [
        (Minimize.LATENCY, ["large", "slow", "harmless"]),
        (Minimize.COST, ["large", "slow", "harmless"]),
        (Minimize.SIZE, ["slow", "large", "harmless"]),
        (Minimize.MEMORY, ["slow", "large", "harmless"]),
    ],
)
def test_what_costs_least_of_the_objective_is_given_back_first(minimize, order):
    assert names(give_back_order(FOUND, Price(minimize, 1.0).of)) == order


def test_what_costs_nothing_comes_first_the_largest_loss_ahead():
    free = [one("small", 0.1, -0.001, 0), one("great", 0.5, 0.0, 0), one("dear", 9.0, 1.0, 0)]
    assert names(give_back_order(free, Price(Minimize.LATENCY, 1.0).of)) == ["great", "small", "dear"]


def test_what_is_given_up_is_told_as_a_share_of_the_baseline():
    last = curve(FOUND)[-1]
    assert Price(Minimize.LATENCY, 0.014).given_up(last) == pytest.approx(0.5)
    assert Price(Minimize.SIZE, 3020).given_up(last) == pytest.approx(0.5)


@given(st.integers(1, 60), st.integers(1, 40))
def test_parts_that_save_nothing_merge_evenly(count, most):
    parts = merged([Part(names=(str(i),), seconds_saved=0.0) for i in range(count)], most)
    assert len(parts) == min(count, most)
    assert [name for part in parts for name in part.names] == [str(i) for i in range(count)]
    assert max(len(part.names) for part in parts) <= 4 * -(-count // most)


@pytest.mark.parametrize(
    ("minimize", "unit", "most"),
    [(Minimize.LATENCY, "milliseconds a request", "7"), (Minimize.SIZE, "MiB of files", "0.00144")],
)
def test_the_curve_is_drawn_in_the_unit_of_the_objective(minimize, unit, most):
    plot = curve_plot(PrecisionCurve(recipe="low", loss=2.0, points=curve(FOUND), minimize=minimize))
    assert plot.given_up == unit
    assert plot.amounts[-1].text == most
