"""Decimal text and integer counts, both ways, without losing a digit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprovider.decimals import MAX_COUNT, product_to_text, to_count, to_text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("83091.70", 8309170000000),
        ("0.022", 2200000),
        ("0.00000001", 1),
        ("0", 0),
        ("3", 300000000),
        ("0.0", 0),
        ("007.50", 750000000),
        ("92233720368.54775807", MAX_COUNT),
    ],
)
def test_decimal_text_becomes_a_count_of_hundred_millionths(text: str, count: int) -> None:
    assert to_count(text) == count


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "1.", ".5", "-1", "+1", "1e5", "1E-7", "NaN", "Infinity", "inf", "0x10", "1,5", "1.2.3"),
        *(" 1", "1 ", "1.5\n", "1_000", "1.0_1", "１２", "١٢", "²", "1.²", "1.-5", "1. 5", "-", "None"),
        *("0.000000001", "1.100000000", "92233720368.54775808", "99999999999", "9" * 5000, "0." + "1" * 5000),
    ],
)
def test_anything_else_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        to_count(text)
    assert len(str(refused.value)) < 120


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (4228358000000, "42283.58"),
        (69000, "0.00069"),
        (4277500000000, "42775"),
        (0, "0"),
        (1, "0.00000001"),
        (-150000000, "-1.5"),
    ],
)
def test_a_count_is_written_without_trailing_zeros(count: int, text: str) -> None:
    assert to_text(count) == text


@given(st.integers(min_value=0, max_value=MAX_COUNT))
def test_every_count_comes_back_from_its_text(count: int) -> None:
    assert to_count(to_text(count)) == count
    assert Decimal(to_text(count)) == Decimal(count).scaleb(-8)


@given(st.integers(min_value=0, max_value=10**37))
def test_a_sum_of_products_keeps_sixteen_decimals(count: int) -> None:
    assert int(product_to_text(count).replace(".", "")) >= 0
    whole, _, fraction = product_to_text(count).partition(".")
    assert int(whole + fraction.ljust(16, "0")) == count
    assert not fraction.endswith("0")
