"""Savings: parts of accelerators told as such, exact money, and silence where something is not known."""

from decimal import Decimal
from typing import Any

import pytest

from burnish_operator.ports import ACCELERATOR_CLASS
from burnish_operator.savings import Price, savings
from fakes.fleet import H100, SMALL, Fleet, model, node


@pytest.mark.parametrize(
    ("replicas", "baseline", "optimized", "before"),
    [
        (1, 100.0, 100.0, "1.00"),
        (1, 100.0, 101.0, "1.01"),
        (2, 100.0, 180.0, "3.60"),
        (3, 100.0, 210.0, "6.30"),
        (4, 100.0, 50.0, "2.00"),
        (0, 1.0, 2.0, "0.00"),
    ],
)
def test_parts_of_an_accelerator_are_not_rounded_up(
    replicas: int, baseline: float, optimized: float, before: str
) -> None:
    found = savings(replicas=replicas, baseline_throughput=baseline, optimized_throughput=optimized)
    assert found is not None
    assert (found.before, found.after, found.saved) == (Decimal(before), replicas, Decimal(before) - replicas)
    assert found.per_hour is None


def test_money_is_exact() -> None:
    found = savings(
        replicas=3,
        baseline_throughput=1.0,
        optimized_throughput=2.0,
        price=Price(Decimal("0.1"), "EUR"),
    )
    assert found is not None
    assert found.per_hour == Decimal("0.3")


def test_a_missing_throughput_says_nothing() -> None:
    assert savings(replicas=1, baseline_throughput=0.0, optimized_throughput=2.0) is None


@pytest.mark.parametrize(
    ("labels", "allocatable", "per_hour"),
    [
        (H100, {"nvidia.com/gpu": "8"}, 4.0),
        (SMALL, {"cpu": "8"}, 0.5),  # a replica's limit is one core of a node's eight
    ],
)
def test_a_priced_class_saves_money(labels: dict[str, str], allocatable: Any, per_hour: float) -> None:
    fleet = Fleet(node("a", labels, allocatable=allocatable))
    fleet.inventory.reconcile()
    [found] = fleet.cluster.of_kind(ACCELERATOR_CLASS)
    price = {"pricePerHour": {"amount": 4.0, "currency": "EUR"}}
    fleet.cluster.update(ACCELERATOR_CLASS, "", found["metadata"]["name"], spec=price)
    fleet.cluster.put(model())
    fleet.settle()
    saved = fleet.status().targets[0].savings
    assert saved is not None
    assert (saved.accelerators_before, saved.per_hour, saved.currency) == (2.0, per_hour, "EUR")
    summary = fleet.status().summary
    assert summary is not None
    assert summary.savings == f"{per_hour:.2f} EUR/h"
