"""What an integrity check remembers of the one before, and what it reads again."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from collectors.models import Gap, GapStatus, Symbol
from dataprovider.clickhouse import ClickHouse, ClickHouseUnavailable, TradeColumns
from dataprovider.clickhouse.shards import shard_of
from integrity.checks.check import IntegrityCheck
from integrity.models import CheckResult, IntegrityRun, MonthCheck, Source, SymbolTrust
from integrity.recovery import queue
from tests.clickhouse.trades import NEW_YEAR, Row, store, store_columns
from tests.integrity.quarter import (
    FEBRUARY,
    MINUTE,
    STEP,
    Watched,
    check,
    quarter,
    results,
)
from tests.integrity.rows import make_gap, make_symbol

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_day_is_read_row_by_row_once(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    watched = Watched(clickhouse.addresses)
    assert check(watched).months_read == 3
    assert watched.asked.count("check_id_hashes") == 1
    watched.asked.clear()
    assert check(watched).months_read == 0
    assert set(watched.asked) == {"check_months"}
    # Another day: only it is read, and its month's first days are told by their fingerprint.
    store(clickhouse, [Row(464, NEW_YEAR + 364 * STEP)])
    watched.asked.clear()
    assert check(watched).months_read == 1
    assert watched.asked.count("check_id_hashes") == 1
    watched.close()


def test_a_repaired_month_is_read_again(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter(without={230}))
    check(clickhouse)
    store(clickhouse, [row for row in quarter() if row.aggregate_id == 230])
    assert check(clickhouse).months_read == 1
    assert results(symbol)[FEBRUARY] == CheckResult.PROVED
    assert Gap.objects.get().status == GapStatus.RECOVERED


def test_a_proved_month_that_changed_in_secret_is_found(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    check(clickhouse)
    store(clickhouse, [quarter()[150]])
    assert check(clickhouse).duplicates == 1
    assert results(symbol)[FEBRUARY] == CheckResult.DUPLICATES


def test_other_rows_in_the_same_number_are_found_by_their_fingerprint(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    check(clickhouse)
    clickhouse.run_text("TRUNCATE TABLE trades_local")
    store(clickhouse, quarter(without={250}))
    store(clickhouse, [quarter()[151]])
    run = check(clickhouse)
    assert (run.months_read, run.missing, run.duplicates) == (1, 1, 1)


def test_an_id_in_two_minutes_is_counted_where_it_is(clickhouse: ClickHouse, symbol: Symbol) -> None:
    """Each minute looks whole; what is remembered of the day knows of the duplicate."""
    store(clickhouse, [Row(n, NEW_YEAR + n // 3 * MINUTE, first=n) for n in (1, 2, 3, 4)])
    store(clickhouse, [Row(2, NEW_YEAR + MINUTE, first=2)])
    assert check(clickhouse).duplicates == 1
    assert MonthCheck.objects.get().runs == [[1, 4, 5, 4]]


def test_a_gap_whose_trades_are_there_is_recovered(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter(without={300}))
    filled = make_gap(symbol, 150, 160)
    partly = make_gap(symbol, 295, 305)
    worked_on = make_gap(symbol, 170, 180, status=GapStatus.RECOVERING)
    beyond = make_gap(symbol, 460, 470)
    check(clickhouse)
    for gap in (filled, partly, worked_on, beyond):
        gap.refresh_from_db()
    assert [gap.status for gap in (filled, partly, worked_on, beyond)] == ["recovered", "open", "recovering", "open"]
    # 300 is part of a gap that is known.
    assert Gap.objects.count() == 4


def test_what_was_recovered_and_is_missing_is_a_new_gap(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter(without={300}))
    make_gap(symbol, 300, 300, status=GapStatus.RECOVERED)
    assert check(clickhouse).gaps_opened == 1


def test_holes_that_a_job_for_their_days_will_fill_are_no_gaps_yet(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter(without=set(range(150, 170))))
    job, _ = queue.add_days_job(symbol, date(2024, 1, 14), date(2024, 1, 16), source=Source.AUTO, batch="history")
    run = check(clickhouse)
    assert (run.missing, run.gaps_opened) == (20, 0)
    queue.cancel(job)
    assert check(clickhouse).gaps_opened == 1


def test_an_interrupted_round_proves_nothing_that_it_did_not_read(clickhouse: ClickHouse, symbol: Symbol) -> None:
    other = make_symbol("ETHUSDT")
    store(clickhouse, quarter())
    store(clickhouse, quarter(name="ETHUSDT"))
    watched = Watched(clickhouse.addresses)
    # In the middle of the second symbol, which is ETHUSDT.
    run = IntegrityCheck(watched).run(stop=lambda: "ETHUSDT" in watched.read)
    watched.close()
    assert run.finished_at is None
    assert "nterrupted" in IntegrityRun.objects.get().problem
    assert results(symbol)[FEBRUARY] == CheckResult.PROVED
    assert results(other) == {}
    check(clickhouse)
    assert results(other)[FEBRUARY] == CheckResult.PROVED


def test_a_store_that_breaks_off_proves_nothing_that_was_not_read(clickhouse: ClickHouse, symbol: Symbol) -> None:
    other = make_symbol("ETHUSDT")
    store(clickhouse, [*quarter(), *quarter(name="ETHUSDT")])
    watched = Watched(clickhouse.addresses)
    watched.fail_at = ("check_id_hashes", 2)
    with pytest.raises(ClickHouseUnavailable):
        IntegrityCheck(watched).run()
    watched.close()
    assert (results(symbol)[FEBRUARY], results(other)) == ("proved", {})
    run = IntegrityRun.objects.get()
    assert (run.finished_at, run.problem) == (None, "ClickHouse is away.")


def test_only_named_symbols_are_checked(clickhouse: ClickHouse, symbol: Symbol) -> None:
    other = make_symbol("ETHUSDT")
    store(clickhouse, [*quarter(), *quarter(name="ETHUSDT")])
    assert check(clickhouse, symbols=["ETHUSDT"]).symbols == 1
    assert (results(symbol), len(results(other))) == ({}, 3)
    assert check(clickhouse, symbols=[]).symbols == 0


def test_what_is_not_stored_any_more_is_missing_and_no_month_is_called_proved(
    clickhouse: ClickHouse, symbol: Symbol
) -> None:
    store(clickhouse, quarter())
    check(clickhouse)
    clickhouse.run_text("TRUNCATE TABLE trades_local")
    check(clickhouse)
    assert MonthCheck.objects.count() == 0
    trust = SymbolTrust.objects.get()
    assert (trust.first_id, trust.last_id, trust.rows, trust.missing) == (100, 463, 0, 364)
    gap = Gap.objects.get()
    assert (gap.first_id, gap.last_id, gap.status) == (100, 463, GapStatus.OPEN)


def remember_all(clickhouse: ClickHouse) -> None:
    """As if everything stored had been read."""
    pks = dict(Symbol.objects.values_list("name", "pk"))
    checks: list[MonthCheck] = []
    trusts: dict[str, SymbolTrust] = {}
    for name, month, days, _, day, rows, first_id, last_id, _, fingerprint in clickhouse.query(
        "check_months", symbols=[]
    ):
        values = {"rows": rows, "first_id": first_id, "last_id": last_id, "fingerprint": str(fingerprint)}
        trusts.setdefault(
            name, SymbolTrust(symbol_id=pks[name], first_id=first_id, first_ms=0, checked_at=timezone.now())
        )
        ends = {"last_id": last_id, "last_ms": day * 1000, "trust_id": last_id, "trust_ms": day * 1000, "rows": 36}
        for field, value in ends.items():
            setattr(trusts[name], field, value)
        checks.append(
            MonthCheck(
                symbol_id=pks[name],
                month=datetime.fromtimestamp(month, UTC).date(),
                result=CheckResult.PROVED,
                proved_days=days,
                proved_fingerprint=str(fingerprint),
                runs=[[first_id, last_id, rows, rows]],
                checked_at=timezone.now(),
                **values,
            )
        )
    MonthCheck.objects.bulk_create(checks, batch_size=5000)
    SymbolTrust.objects.bulk_create(trusts.values())


def test_three_years_of_800_symbols_take_a_few_queries(
    clickhouse: ClickHouse, django_assert_max_num_queries: Any
) -> None:
    # Of two shards only: the table has a partition for each month and shard, and making thousands takes long.
    names = [name for name in (f"S{number}USDT" for number in range(10_000)) if shard_of(name) < 2][:800]
    Symbol.objects.bulk_create(
        Symbol(
            name=name,
            onboard_date=datetime(2020, 1, 1, tzinfo=UTC),
            contract_type="PERPETUAL",
            status="TRADING",
            shard=shard_of(name),
        )
        for name in names
    )
    size = len(names)
    ones = np.ones(size, dtype=np.int64)
    for month in range(36):
        first = int(datetime(2021 + month // 12, 1 + month % 12, 15, tzinfo=UTC).timestamp() * 1000)
        ids = np.full(size, 10 + month, dtype=np.uint64)
        columns = TradeColumns(
            np.array(names, dtype=object), ids, ones, ones, ids, ids, ones * first, ones.astype(np.uint8)
        )
        store_columns(clickhouse, columns, f"m{month}")
    remember_all(clickhouse)
    began = time.process_time()
    with django_assert_max_num_queries(60):
        assert check(clickhouse).months_read == 0
    assert time.process_time() - began < 15
    # The first month's beginning and the last one's end are not known.
    assert MonthCheck.objects.filter(result=CheckResult.PROVED).count() == 800 * 34
    began = time.process_time()
    with django_assert_max_num_queries(60):
        check(clickhouse)
    assert time.process_time() - began < 10
