"""A chart follows every minute, the newest and those before it, and what was read of the time before them."""

from __future__ import annotations

from api.binance.intervals import Interval
from api.candles import Candle
from api.streaming.chart import Chart
from api.streaming.minutes import SymbolMinutes, bar_of
from tests.clickhouse.trades import NEW_YEAR

MINUTE = 60_000
#: A candle of 7 minutes opens here (ms).
SEVEN = NEW_YEAR // (7 * MINUTE) * 7 * MINUTE


def published(minute: int, first_id: int, last_id: int, price: int = 5) -> dict[str, object]:
    """A minute (0: the candle's first one) as its worker publishes it, of one coin and one trade for each id."""
    count = last_id - first_id + 1
    prices = dict.fromkeys("ohlc", price)
    sums = {"v": str(count), "V": "0", "q": str(count * price), "Q": "0", "n": count, "a": count}
    ids = {"f": first_id, "L": last_id}
    return {"t": SEVEN + minute * MINUTE, **prices, **sums, **ids, "w": True, "x": False}


def shown(chart: Chart, minutes: SymbolMinutes) -> list[tuple[int, int, int, int]]:
    """Count, first id, last id and high of each candle."""
    return [(each.trades, each.first_id, each.last_id, each.high) for each in chart.candles(minutes)]


def test_every_minute_counts_the_moment_it_changes() -> None:
    minutes, chart = SymbolMinutes(SEVEN), Chart("BTCUSDT", Interval(7))
    assert shown(chart, minutes) == []
    minutes.take(bar_of(published(1, 11, 12)))
    assert shown(chart, minutes) == [(2, 11, 12, 5)]
    minutes.take(bar_of(published(2, 14, 14, price=9)))
    assert shown(chart, minutes) == [(3, 11, 14, 9)]
    # The minute before had one more.
    minutes.take(bar_of(published(1, 11, 13)))
    assert shown(chart, minutes) == [(4, 11, 14, 9)]
    minutes.take(bar_of(published(7, 15, 15)))
    assert shown(chart, minutes) == [(4, 11, 14, 9), (1, 15, 15, 5)]


def test_what_is_read_of_the_time_before_the_minutes_counts_too() -> None:
    minutes, chart = SymbolMinutes(SEVEN + MINUTE), Chart("BTCUSDT", Interval(7))
    minutes.take(bar_of(published(1, 11, 12)))
    assert shown(chart, minutes) == [(2, 11, 12, 5)]
    for first_id in (10, 9):
        chart.base = base_from(first_id)
        assert shown(chart, minutes) == [(2 + 11 - first_id, first_id, 12, 5)]


def test_what_came_late_into_an_open_candle_corrects_it_and_what_came_after_it_does_not() -> None:
    minutes, chart = SymbolMinutes(SEVEN), Chart("BTCUSDT", Interval(7))

    def change(minute: int, first_id: int, last_id: int) -> tuple[int, bool]:
        minutes.take(bar_of(published(minute, first_id, last_id)))
        (changed,) = chart.changes(minutes, SEVEN)
        return changed.candle.trades, changed.corrected

    assert change(1, 11, 12) == (2, False)
    # Three ids are skipped, of which two come.
    assert change(2, 16, 16) == (3, False)
    assert change(2, 16, 17) == (4, False)
    minutes.take(bar_of(published(3, 18, 18)))
    assert change(1, 11, 14) == (7, True)
    assert change(3, 18, 19) == (8, False)
    # So were its first two.
    assert change(0, 9, 10) == (10, True)


def base_from(first_id: int) -> Candle:
    """What is stored of the candle's first minute, up to id 10."""
    return bar_of(published(0, first_id, 10)).candle
