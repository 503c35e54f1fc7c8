"""Integrity checks of what is really stored: what is proved, missing, twice, or not to be judged yet."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from collectors.models import Gap, GapStatus, ShardLease, Symbol
from collectors.shards import shard_of
from dataprovider.clickhouse import Address, ClickHouse, ClickHouseUnavailable, TradeColumns
from integrity.checks.check import IntegrityCheck
from integrity.models import CheckResult, IntegrityRun, MonthCheck, Source, SymbolTrust
from integrity.recovery import queue
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.integrity.rows import make_gap, make_symbol

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = 60_000
DAY = 86_400_000
JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)
#: One trade each six hours: ids 100 to 223 are January's, to 339 February's.
STEP = DAY // 4
FEB, MAR = NEW_YEAR + 31 * DAY, NEW_YEAR + 60 * DAY


class Watched(ClickHouse):
    """The store, and what was asked of it; `fail_at` breaks off at the so-manieth query of a name."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
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


@pytest.fixture
def symbol() -> Symbol:
    return make_symbol()


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


def test_a_month_between_whole_neighbours_is_proved(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    run = check(clickhouse)
    # Nobody knows yet what comes before the first trade, or what still belongs to the newest month.
    assert results(symbol) == {JANUARY: "contiguous", FEBRUARY: "proved", MARCH: "contiguous"}
    assert (run.symbols, run.missing, run.duplicates, run.gaps_opened) == (1, 0, 0, 0)
    trust = SymbolTrust.objects.get()
    assert (trust.first_id, trust.trust_id, trust.last_id, trust.rows) == (100, 463, 463, 364)
    assert (trust.first_ms, trust.trust_ms) == (NEW_YEAR, NEW_YEAR + 363 * STEP)
    january = MonthCheck.objects.get(month=JANUARY)
    assert (january.rows, january.first_id, january.last_id, january.proved_days) == (124, 100, 223, 31)
    assert january.proved_fingerprint == january.fingerprint != ""


def test_a_known_origin_proves_the_first_month(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    check(clickhouse)
    SymbolTrust.objects.update(origin={"source": "archive listing"})
    check(clickhouse)
    assert results(symbol)[JANUARY] == CheckResult.PROVED
    assert SymbolTrust.objects.get().origin == {"source": "archive listing"}
    # What comes before it after all is no longer known to be the beginning.
    store(clickhouse, [Row(99, NEW_YEAR - STEP)])
    check(clickhouse)
    assert SymbolTrust.objects.get().origin == {}


def test_nothing_comes_before_the_exchanges_first_id(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n * STEP) for n in range(200)])
    check(clickhouse)
    assert results(symbol)[JANUARY] == CheckResult.PROVED
    assert SymbolTrust.objects.get().origin != {}


def test_missing_ids_become_gaps_and_end_the_trust(clickhouse: ClickHouse, symbol: Symbol) -> None:
    # Inside a day, and the last trades of January with the first of February.
    store(clickhouse, quarter(without={110, 111, 222, 223, 224}))
    run = check(clickhouse)
    assert gaps() == [(110, 111), (222, 224)]
    gap = Gap.objects.get(first_id=222)
    assert (gap.cause, gap.status) == ("check", "open")
    assert (gap.before_ms, gap.after_ms) == (NEW_YEAR + 121 * STEP, NEW_YEAR + 125 * STEP)
    assert results(symbol) == {JANUARY: "holes", FEBRUARY: "holes", MARCH: "contiguous"}
    assert dict(MonthCheck.objects.values_list("month", "missing")) == {JANUARY: 2, FEBRUARY: 3, MARCH: 0}
    trust = SymbolTrust.objects.get()
    assert (trust.trust_id, trust.trust_ms, trust.missing) == (109, NEW_YEAR + 9 * STEP, 5)
    assert (run.missing, run.gaps_opened) == (5, 2)
    # The same again opens nothing twice.
    assert check(clickhouse).gaps_opened == 0


def test_one_gap_and_one_duplicate_do_not_cancel_out(clickhouse: ClickHouse, symbol: Symbol) -> None:
    rows = [Row(n, NEW_YEAR + n * 1000, first=n) for n in range(1, 101)]
    store(clickhouse, [row for row in rows if row.aggregate_id != 50])
    store(clickhouse, [rows[60]])
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (1, 1)
    assert gaps() == [(50, 50)]


@pytest.mark.parametrize("spacing", [1, 1000, MINUTE, 7 * 3_600_000])
def test_gaps_and_duplicates_that_cancel_in_count_and_sum_are_found(
    clickhouse: ClickHouse, symbol: Symbol, spacing: int
) -> None:
    """5 and 8 are missing, 6 and 7 there twice: of one minute, of several, or of several days."""
    rows = [Row(n, NEW_YEAR + n * spacing, first=n) for n in range(1, 13)]
    store(clickhouse, [row for row in rows if row.aggregate_id not in (5, 8)])
    store(clickhouse, [row for row in rows if row.aggregate_id in (6, 7)])
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (2, 2)
    assert gaps() == [(5, 5), (8, 8)]
    assert SymbolTrust.objects.get().trust_id == 4
    assert results(symbol) == {JANUARY: "holes"}


def test_a_duplicate_is_no_gap_and_moves_nothing_back(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    store(clickhouse, [quarter()[50]])
    run = check(clickhouse)
    assert (run.missing, run.duplicates, gaps()) == (0, 1, [])
    assert SymbolTrust.objects.get().trust_id == 463
    assert results(symbol)[JANUARY] == CheckResult.DUPLICATES


def test_two_trades_under_one_id_are_no_duplicates(clickhouse: ClickHouse, symbol: Symbol) -> None:
    twin = quarter()[160]
    store(clickhouse, [*quarter(), twin._replace(first=twin.first + 2)])
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (0, 0)
    february = MonthCheck.objects.get(month=FEBRUARY)
    assert (february.result, february.twins) == ("proved", 1)


@pytest.mark.parametrize(("first", "duplicates", "twins"), [(1011, 1, 0), (7, 0, 1)])
def test_the_same_id_on_two_days_is_told_by_its_first_trade(
    clickhouse: ClickHouse, symbol: Symbol, first: int, duplicates: int, twins: int
) -> None:
    again = quarter()[11]._replace(time=NEW_YEAR + 12 * STEP, first=first)
    store(clickhouse, [*quarter(), again])
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (0, duplicates)
    assert MonthCheck.objects.get(month=JANUARY).twins == twins


def test_trades_whose_ids_changed_sides_at_midnight_are_whole(clickhouse: ClickHouse, symbol: Symbol) -> None:
    rows = quarter()
    # 223 happened in February and 224 in January.
    rows[123], rows[124] = rows[123]._replace(time=rows[124].time), rows[124]._replace(time=rows[123].time)
    store(clickhouse, rows)
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (0, 0)
    assert results(symbol)[FEBRUARY] == CheckResult.PROVED


def test_a_hole_of_the_exchange_itself_is_neither_missing_nor_asked_for_again(
    clickhouse: ClickHouse, symbol: Symbol
) -> None:
    store(clickhouse, quarter(without={250, 251, 252}))
    make_gap(symbol, 250, 252, status=GapStatus.ABSENT_UPSTREAM, evidence={"source": "archive"})
    run = check(clickhouse)
    assert (run.missing, run.gaps_opened) == (0, 0)
    february = MonthCheck.objects.get(month=FEBRUARY)
    assert (february.result, february.absent, february.missing) == ("proved", 3, 0)
    assert SymbolTrust.objects.get().trust_id == 463
    # When the verdict is taken back, it is missing again without a row being read.
    Gap.objects.update(status=GapStatus.OPEN)
    run = check(clickhouse)
    assert (run.missing, MonthCheck.objects.get(month=FEBRUARY).result) == (3, "holes")


def test_a_trust_point_at_a_months_end_is_the_datas_last_day(clickhouse: ClickHouse, symbol: Symbol) -> None:
    """The last trade of January was on the 29th; February begins with the next id."""
    rows = [Row(n, NEW_YEAR + n * STEP) for n in range(2, 2 + 28 * 4)]
    store(clickhouse, rows)
    check(clickhouse)
    trust = SymbolTrust.objects.get()
    assert (trust.trust_id, trust.trust_ms) == (rows[-1].aggregate_id, rows[-1].time)
    assert datetime.fromtimestamp(trust.trust_ms / 1000, UTC).date() == date(2024, 1, 29)
    store(clickhouse, [Row(rows[-1].aggregate_id + 1 + n, FEB + n * STEP) for n in range(3)])
    check(clickhouse)
    assert SymbolTrust.objects.get().trust_id == rows[-1].aggregate_id + 3
    assert gaps() == []


def test_a_day_is_read_row_by_row_once(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    watched = Watched(clickhouse.address)
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


def test_an_interrupted_round_proves_nothing_that_it_did_not_read(clickhouse: ClickHouse, symbol: Symbol) -> None:
    other = make_symbol("ETHUSDT")
    store(clickhouse, quarter())
    store(clickhouse, quarter(name="ETHUSDT"))
    watched = Watched(clickhouse.address)
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
    watched = Watched(clickhouse.address)
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
        clickhouse.insert_trades(columns, token=f"m{month}", shard=0, epoch=2**63, query_id="")
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
