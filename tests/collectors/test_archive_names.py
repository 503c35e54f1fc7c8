"""How archives are named."""

from __future__ import annotations

from datetime import date

import pytest

from collectors.binance.archive import ArchiveName


def test_a_day_and_a_month_have_their_paths() -> None:
    day = ArchiveName.daily("BTCUSDT", date(2024, 1, 31))
    assert day.file == "BTCUSDT-aggTrades-2024-01-31.zip"
    assert day.path == "data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-31.zip"
    month = ArchiveName.monthly("BTCUSDT", date(2024, 1, 31))
    assert month.path == "data/futures/um/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01.zip"


def test_a_symbol_that_is_not_ascii_is_encoded_in_the_path_only() -> None:
    name = ArchiveName.daily("币安人生USDT", date(2026, 11, 1))
    assert name.file == "币安人生USDT-aggTrades-2026-11-01.zip"
    assert name.path.count("%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT") == 2
    assert name.path.isascii()


@pytest.mark.parametrize(
    ("month", "last"),
    [
        (date(2024, 2, 1), date(2024, 2, 29)),
        (date(2023, 12, 5), date(2023, 12, 31)),
        (date(2023, 2, 28), date(2023, 2, 28)),
    ],
)
def test_a_month_ends_on_its_last_day(month: date, last: date) -> None:
    name = ArchiveName.monthly("BTCUSDT", month)
    assert (name.first_day, name.last_day) == (month.replace(day=1), last)
    assert (ArchiveName.daily("X", last).first_day, ArchiveName.daily("X", last).last_day) == (last, last)


def test_names_are_in_order_by_symbol_and_date() -> None:
    days = [ArchiveName.daily(symbol, date(2024, month, 9)) for symbol in ("B", "A") for month in (11, 2)]
    assert sorted(days) == days[::-1]


@pytest.mark.parametrize(
    ("symbol", "period", "text"),
    [
        ("", "daily", "2024-01-31"),
        ("../X", "daily", "2024-01-31"),
        ("A\\B", "daily", "2024-01-31"),
        ("A\n", "daily", "2024-01-31"),
        ("X", "weekly", "2024-01-31"),
        ("X", "daily", "2024-01"),
        ("X", "monthly", "2024-01-31"),
        ("X", "daily", "2024-02-30"),
        ("X", "monthly", "2024-13"),
        ("X", "daily", "٢٠٢٤-01-31"),
    ],
)
def test_what_no_archive_is_named_is_refused(symbol: str, period: str, text: str) -> None:
    with pytest.raises(ValueError):
        ArchiveName(symbol, period, text)
