"""Real archives, and real rows of archives that were published bad."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from collectors.binance.archive import ArchiveName, Archives
from collectors.binance.archivefile import read_days
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from dataprovider.decimals import to_count
from tests.collectors.archive_files import HEADER, Line, read, zipped
from tests.fixtures_exchange import RunningExchange
from tests.shared_data import SHARED_DATA, needs_shared_data

pytestmark = needs_shared_data

DEFECTS = SHARED_DATA / "archive_defects"
ARCHIVES = [
    (ArchiveName.daily("BTCUSDT", date(2024, 1, 1)), 344_377),
    (ArchiveName.daily("ETHUSDT", date(2025, 9, 1)), 10_001),
]


def parsed(text: str) -> list[Line]:
    """The rows of a CSV as Python's own reader has them."""
    return [
        Line(int(a), to_count(p), to_count(q), int(f), int(l), int(t), m == "true")
        for a, p, q, f, l, t, m in csv.reader(io.StringIO(text))  # noqa: E741
        if a != "agg_trade_id"
    ]


@pytest.mark.parametrize(
    ("file", "name", "duplicates", "ordered"),
    [
        ("duplicated_BTCUSDT-aggTrades-2022-09.rows.csv", "2022-09", 6, [False]),
        ("interleaved_BTCUSDT-aggTrades-2023-05.rows.csv", "2023-05", 0, [True, True]),
        ("interleaved_BTCUSDT-aggTrades-2023-10.rows.csv", "2023-10", 0, [True, True]),
        ("low_liquidity_2026-03-27.rows.csv", "2026-03", 0, [True]),
        ("trade_id_gaps_BTCUSDT-aggTrades-2024-07-04.rows.csv", "2024-07", 0, [True]),
    ],
)
def test_real_rows_that_were_published_bad(
    tmp_path: Path, file: str, name: str, duplicates: int, ordered: list[bool]
) -> None:
    text = (DEFECTS / file).read_text()
    month = ArchiveName("BTCUSDT", "monthly", name)
    found = read(zipped(tmp_path, text, name=month), month)
    assert [line for each in found for line in each.lines] == sorted(set(parsed(text)))
    assert sum(each.day.duplicates for each in found) == duplicates
    assert [each.day.was_ordered for each in found] == ordered


def test_real_rows_in_disorder_within_one_day(tmp_path: Path) -> None:
    """The interleaved runs of 2023-05 are two days; here one of them is cut in two."""
    lines = parsed((DEFECTS / "low_liquidity_2026-03-27.rows.csv").read_text())
    mixed = [line.text for pair in zip(lines[:20], lines[20:40], strict=True) for line in pair]
    name = ArchiveName.daily("BTCUSDT", date(2026, 3, 27))
    (found,) = read(zipped(tmp_path, "\n".join([HEADER, *mixed, *mixed[:7]]), name=name), name)
    assert found.lines == lines[:40]
    assert (found.day.duplicates, found.day.was_ordered) == (7, False)


@pytest.mark.parametrize(("name", "rows"), ARCHIVES)
def test_a_real_archive_comes_out_digit_for_digit(tmp_path: Path, name: ArchiveName, rows: int) -> None:
    path = SHARED_DATA / "archives" / name.path.removeprefix("data/")
    with zipfile.ZipFile(path) as zipped_rows:
        expected = parsed(zipped_rows.read(zipped_rows.namelist()[0]).decode())
    days = [
        (day.day, day.rows, day.duplicates, day.was_ordered, day.first_id, day.last_id)
        for day in read_days(path, name, tmp_path)
    ]
    assert days == [(name.first_day, rows, 0, True, expected[0].id, expected[-1].id)]
    for day in read_days(path, name, tmp_path):
        begin = 0
        for piece in day.pieces(50_000):
            part = expected[begin : begin + 50_000]
            assert piece.aggregate_id.tolist() == [line.id for line in part]
            assert piece.price.tolist() == [line.price for line in part]
            assert piece.quantity.tolist() == [line.quantity for line in part]
            assert piece.first_trade_id.tolist() == [line.first for line in part]
            assert piece.last_trade_id.tolist() == [line.last for line in part]
            assert piece.timestamp.tolist() == [line.time for line in part]
            assert piece.is_buyer_maker.tolist() == [line.maker for line in part]
            begin += len(piece)
        assert begin == rows


def test_a_real_day_fetched_and_stored_has_the_fingerprint_and_the_minutes_of_the_store(
    tmp_path: Path, start_exchange: Callable[..., RunningExchange], clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(archive_dir=SHARED_DATA / "archives", paused=True, archive_delay_hours=-1)
    archives = Archives(exchange.url, f"{exchange.url}/listing")
    name, rows = ARCHIVES[0]
    fetched = archives.fetch(name, tmp_path)
    checksum = (SHARED_DATA / "archives" / (name.path.removeprefix("data/") + ".CHECKSUM")).read_text().split()[0]
    assert fetched.sha256 == checksum == hashlib.sha256(fetched.path.read_bytes()).hexdigest()
    for day in read_days(fetched.path, name, tmp_path):
        for number, piece in enumerate(day.pieces(50_000)):
            shard, token = shard_of("BTCUSDT"), f"real-{number}"
            clickhouse.insert_trades(piece, token=token, shard=shard, epoch=2**63, query_id="")
        ((begin, stored, first, last, _, fingerprint),) = clickhouse.query(
            "symbol_days", symbol="BTCUSDT", since=0, until=2**32 - 1
        )
        assert (begin, stored, first, last) == (1_704_067_200, rows, day.first_id, day.last_id)
        assert day.fingerprint() == fingerprint
        minutes = day.minutes()
        assert len(minutes) == 720
        assert int(minutes["rows"].sum()) == rows
