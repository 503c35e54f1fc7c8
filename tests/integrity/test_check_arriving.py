"""Integrity checks while trades arrive: what is not to be judged yet."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from collectors.models import ShardLease, Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from integrity.models import MonthCheck, SymbolTrust
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.integrity.quarter import (
    DAY,
    check,
    gaps,
)

pytestmark = pytest.mark.django_db(transaction=True)


def collected(symbol: Symbol) -> None:
    """A worker holds the symbol's shard."""
    until = timezone.now() + timedelta(minutes=1)
    ShardLease.objects.update_or_create(shard=shard_of(symbol.name), defaults={"epoch": 1, "expires_at": until})


def live(count: int, *, without: set[int]) -> list[Row]:
    """A trade a second from noon on, ids from 1000."""
    noon = NEW_YEAR + DAY // 2
    return [Row(1000 + n, noon + n * 1000, first=n) for n in range(count) if 1000 + n not in without]


def test_what_still_arrives_is_not_judged(clickhouse: ClickHouse, symbol: Symbol) -> None:
    collected(symbol)
    # The newest trade is at 12:09:59. 1290 is of 12:04, 1541 of 12:09.
    store(clickhouse, live(600, without={1290, 1541}))
    run = check(clickhouse)
    assert gaps() == [(1290, 1290)]
    assert run.missing == 1
    trust = SymbolTrust.objects.get()
    # Judged is what is certainly more than a minute older than the newest trade.
    assert (trust.last_id, trust.last_ms) == (1479, NEW_YEAR + DAY // 2 + 479_000)
    # Nobody collects it any more: nothing will arrive.
    ShardLease.objects.update(expires_at=timezone.now())
    check(clickhouse)
    assert gaps() == [(1290, 1290), (1541, 1541)]
    assert SymbolTrust.objects.get().last_id == 1599


@pytest.mark.parametrize("newer", [60, 119])
def test_no_row_of_the_newest_minute_is_ever_judged(clickhouse: ClickHouse, symbol: Symbol, newer: int) -> None:
    """A hole is left alone while the trade after it is less than a minute older than the newest one."""
    collected(symbol)
    noon = NEW_YEAR + DAY // 2
    rows = [Row(n, noon + n * 60_000) for n in range(1, 10)]
    rows += [Row(11, noon + 600_000), Row(12, noon + 600_000 + newer * 500)]
    store(clickhouse, rows)
    assert check(clickhouse).missing == 0


def test_a_quiet_symbol_is_judged_to_its_end(clickhouse: ClickHouse, symbol: Symbol) -> None:
    collected(symbol)
    store(clickhouse, live(100, without={1050}))
    store(clickhouse, [Row(1, NEW_YEAR + DAY // 2 + 3_600_000, symbol="ETHUSDT")])
    assert check(clickhouse).missing == 1
    assert SymbolTrust.objects.get().last_id == 1099


def test_a_day_that_is_not_over_is_not_remembered_as_read(clickhouse: ClickHouse, symbol: Symbol) -> None:
    collected(symbol)
    yesterday = [Row(n, NEW_YEAR + n * 3_600_000) for n in range(24)]
    today = [Row(24 + n, NEW_YEAR + DAY + n * 60_000) for n in range(30)]
    store(clickhouse, [*yesterday, *today])
    check(clickhouse)
    found = MonthCheck.objects.get()
    assert (found.result, found.proved_days, found.rows) == ("contiguous", 1, 54)
    trust = SymbolTrust.objects.get()
    assert trust.trust_id == trust.last_id == 24 + 27
    assert trust.trust_ms == NEW_YEAR + DAY + 27 * 60_000
