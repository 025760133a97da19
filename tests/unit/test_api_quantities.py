"""Quantities and durations, as Kubernetes and people write them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish_operator.api import (
    InvalidDuration,
    InvalidQuantity,
    format_duration,
    parse_duration,
    parse_quantity,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", "0.5"),
        ("2", "2"),
        (2, "2"),
        ("2Gi", "2147483648"),
        ("1.5Gi", "1610612736"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1000000000000000000"),
        ("100k", "100000"),
        ("-1", "-1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("3n", "0.000000003"),
    ],
)
def test_a_quantity_is_an_exact_number(text: str | int, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "two", "1 Gi", "1KB", "0x10", "1Mi5", "m", "1e", "1K"])
def test_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidQuantity, match="such as 500m, 2 or 4Gi"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("10m", 600), ("1h30m", 5400), ("1d", 86400), ("1d1s", 86401), ("0s", 0)],
)
def test_a_duration_is_whole_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "ten minutes", "30m1h", "-1m", "1.5h", "1h\n", "1w"])
def test_another_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidDuration, match="such as 45s, 10m, 1h30m or 1d"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=99_999 * 86400))
def test_durations_are_read_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
