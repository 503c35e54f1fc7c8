"""A quarter of a year of stored trades, checked: what the tests of the integrity check begin with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from collectors.models import Gap, Symbol
from dataprovider.clickhouse import Address, ClickHouse, ClickHouseUnavailable
from integrity.checks.check import IntegrityCheck
from integrity.models import IntegrityRun, MonthCheck
from tests.clickhouse.trades import NEW_YEAR, Row

MINUTE = 60_000
DAY = 86_400_000
JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)
#: One trade each six hours: ids 100 to 223 are January's, to 339 February's.
STEP = DAY // 4
FEB, MAR = NEW_YEAR + 31 * DAY, NEW_YEAR + 60 * DAY


class Watched(ClickHouse):
    """The store, and what was asked of it; `fail_at` breaks off at the so-manieth query of a name."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        super().__init__(addresses)
        self.asked: list[str] = []
        self.read: list[str] = []
        self.fail_at: tuple[str, int] | None = None

    def query(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        self.asked.append(name)
        if name == "symbol_days":
            self.read.append(params["symbol"])
        if self.fail_at is not None and self.asked.count(self.fail_at[0]) == self.fail_at[1] == self.asked.count(name):
            raise ClickHouseUnavailable("ClickHouse is away.")
        return super().query(name, **params)


def quarter(without: set[int] | None = None, *, name: str = "BTCUSDT") -> list[Row]:
    """January to March 2024: ids 100 to 463 in order of time."""
    return [
        Row(100 + n, NEW_YEAR + n * STEP, first=1000 + n, symbol=name)
        for n in range(91 * 4)
        if 100 + n not in (without or set())
    ]


def results(symbol: Symbol) -> dict[date, str]:
    return dict(MonthCheck.objects.filter(symbol=symbol).values_list("month", "result"))


def check(clickhouse: ClickHouse, **options: Any) -> IntegrityRun:
    run = IntegrityCheck(clickhouse).run(**options)
    assert run.finished_at is not None
    return run


def gaps() -> list[tuple[int, int]]:
    return sorted(Gap.objects.values_list("first_id", "last_id"))
