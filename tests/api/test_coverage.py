"""GET integrity/coverage and integrity/summary: certificates whose fingerprints can be computed again."""

from __future__ import annotations

import pytest
from django.utils import timezone

from collectors.models import GapStatus
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.fingerprint import fingerprint
from integrity.checks import coverage
from integrity.checks.check import IntegrityCheck
from integrity.models import SymbolTrust
from tests.api.conftest import Server, StartServer
from tests.clickhouse.trades import NEW_YEAR, Row, columns, store
from tests.integrity.rows import make_gap, make_symbol
from tests.nodes import only_at

pytestmark = pytest.mark.django_db(transaction=True)

COVERAGE = "/api/v1/integrity/coverage"
STEP = 86_400_000 // 10


def days(without: set[int] = frozenset()) -> list[Row]:  # type: ignore[assignment]
    """Ten trades a day for twenty days, ids from 500."""
    return [
        Row(500 + n, NEW_YEAR + n * STEP, price=100 + n, quantity=7 * n + 1, first=2 * n, last=2 * n + 1, maker=n % 2)
        for n in range(200)
        if 500 + n not in without
    ]


def test_ranges_have_the_fingerprints_of_their_rows(server: Server, clickhouse: ClickHouse) -> None:
    rows = days(without={533, *range(570, 595)})
    store(clickhouse, rows)
    found = server.data(f"{COVERAGE}/btcusdt")
    assert [(each["first_id"], each["last_id"], each["rows"]) for each in found["ranges"]] == [
        (500, 532, 33),
        (534, 569, 36),
        (595, 699, 105),
    ]
    for each in found["ranges"]:
        of_range = [row for row in rows if each["first_id"] <= row.aggregate_id <= each["last_id"]]
        assert each["fingerprint"] == str(fingerprint(columns(of_range)))
        assert (each["first_time"], each["last_time"]) == (of_range[0].time, of_range[-1].time)
    assert (found["symbol"], found["first_id"], found["last_id"], found["rows"]) == ("BTCUSDT", 500, 699, 174)


def test_a_whole_symbol_is_one_range_and_no_row_is_read_for_it(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, days())
    (only,) = server.data(f"{COVERAGE}/BTCUSDT")["ranges"]
    assert (only["rows"], only["fingerprint"]) == (200, str(fingerprint(columns(days()))))


def test_verdicts_of_the_last_check_are_part_of_it(server: Server, clickhouse: ClickHouse) -> None:
    symbol = make_symbol()
    rows = days(without={533, 580})
    store(clickhouse, [*rows, rows[10]._replace(first=99)])
    store(clickhouse, [rows[60]])
    make_gap(symbol, 533, 533, status=GapStatus.ABSENT_UPSTREAM, evidence={"source": "archive"})
    IntegrityCheck(clickhouse).run()
    SymbolTrust.objects.update(origin={"source": "archive listing"})
    found = server.data(f"{COVERAGE}/BTCUSDT")
    assert found["absent_upstream"] == [{"first_id": 533, "last_id": 533, "evidence": {"source": "archive"}}]
    assert found["open_gaps"] == [{"first_id": 580, "last_id": 580, "status": "open", "cause": "check"}]
    assert (found["twins"], found["duplicates"], found["missing"]) == (1, 1, 1)
    assert (found["trust_id"], found["trust_time"]) == (579, NEW_YEAR + 79 * STEP)
    assert found["origin"] == {"source": "archive listing"}
    assert abs(found["checked_at"] - timezone.now().timestamp() * 1000) < 60_000
    # The duplicate and the twin are rows like others.
    assert found["rows"] == sum(each["rows"] for each in found["ranges"]) == 200


def test_holes_that_cancel_out_break_the_range_once_a_check_has_seen_them(clickhouse: ClickHouse, db: None) -> None:
    make_symbol()
    store(clickhouse, days(without={575, 578}))
    store(clickhouse, [row for row in days() if row.aggregate_id in (576, 577)])
    assert len(coverage.covered_ranges(clickhouse, "BTCUSDT")) == 1
    IntegrityCheck(clickhouse).run()
    found = coverage.certificate(clickhouse, "BTCUSDT", coverage.evidence_of("BTCUSDT"))
    assert found is not None
    assert [(each["first_id"], each["last_id"]) for each in found["ranges"]] == [(500, 574), (576, 577), (579, 699)]


def test_many_ranges_come_in_parts(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(2 * n, NEW_YEAR + n * 1000) for n in range(1_500)])
    first = server.data(f"{COVERAGE}/BTCUSDT")
    second = server.data(f"{COVERAGE}/BTCUSDT", from_id=first["next_from_id"])
    assert [each["first_id"] for each in first["ranges"] + second["ranges"]] == list(range(0, 3_000, 2))
    assert (second["next_from_id"], second["rows"]) == (None, 1_500)


def test_a_listed_symbol_without_trades_covers_nothing(server: Server) -> None:
    make_symbol()
    found = server.data(f"{COVERAGE}/BTCUSDT")
    assert (found["first_id"], found["rows"], found["ranges"], found["trust_id"]) == (None, 0, [], None)


def test_an_unknown_symbol_is_404(server: Server) -> None:
    assert server.refusal(f"{COVERAGE}/NONE")[:2] == (404, "UNKNOWN_SYMBOL")
    assert server.refusal(f"{COVERAGE}/{'X' * 65}")[0] == 404
    assert server.refusal(f"{COVERAGE}/NONE", from_id="x")[0] == 400


def test_a_store_that_is_away_is_503(start_server: StartServer) -> None:
    server = start_server(**only_at(1))
    assert server.refusal(f"{COVERAGE}/BTCUSDT")[:2] == (503, "STORE_UNAVAILABLE")


def test_the_summary_names_every_trust_point(server: Server, clickhouse: ClickHouse) -> None:
    make_symbol()
    make_symbol("ETHUSDT")
    store(clickhouse, days(without={600}))
    store(clickhouse, [Row(1, symbol="ETHUSDT")])
    IntegrityCheck(clickhouse).run()
    found = server.data("/api/v1/integrity/summary")
    assert [(each["symbol"], each["trust_id"], each["missing"]) for each in found] == [
        ("BTCUSDT", 599, 1),
        ("ETHUSDT", 1, 0),
    ]
