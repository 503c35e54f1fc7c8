"""Real trades through the whole of it: what the exchange published is what comes out of the table."""

from __future__ import annotations

import csv
import io
import itertools
import json
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from collectors.beginning import SUSPICIOUS_JUMP
from collectors.binance.frames import decode
from collectors.ingest import Ingest
from collectors.spool import Spool
from collectors.writer import Writer
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from dataprovider.decimals import ONE, to_count
from tests.fixtures_collectors import RunningCollectors, gap_ids, missing_ids, stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.shared_data import SHARED_DATA, needs_shared_data
from tests.waiting import wait_until

pytestmark = needs_shared_data

Row = tuple[int, ...]


def test_a_replayed_morning_is_stored_trade_by_trade_and_its_candles_are_the_exchanges_own(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    clickhouse: ClickHouse,
) -> None:
    exchange = start_exchange(archive_dir=SHARED_DATA / "archives", replay_speed=2400, paused=True)
    collectors = start_collectors(exchange)
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: exchange.state["finished"], 120, "the replay to end")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 30, "everything to be stored")
    assert len(stored_ids(clickhouse, "BTCUSDT")) == 344_377
    assert len(stored_ids(clickhouse, "ETHUSDT")) == 10_001
    assert gap_ids() == {}
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert stored_rows(clickhouse, symbol) == archived_rows(symbol)
    assert four_hour_candles(clickhouse) == published_candles()


def stored_rows(clickhouse: ClickHouse, symbol: str) -> list[Row]:
    """Every stored trade of a symbol, by id, page by page."""
    rows: list[Row] = []
    following = 0
    while page := clickhouse.query("trades_from_id", symbol=symbol, from_id=following, limit=50_000):
        rows.extend(tuple(int(value) for value in row) for row in page)
        following = rows[-1][0] + 1
    return rows


def archived_rows(symbol: str) -> list[Row]:
    """The same out of the exchange's own file."""
    (path,) = (SHARED_DATA / "archives").rglob(f"{symbol}-*.zip")
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        lines = csv.reader(io.TextIOWrapper(file))
        return [
            (int(a), to_count(p), to_count(q), int(f), int(last), int(at), int(maker == "true"))
            for a, p, q, f, last, at, maker in lines
            if a.isdigit()
        ]


def four_hour_candles(clickhouse: ClickHouse) -> list[tuple[int, ...]]:
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    rows = clickhouse.query(
        "candles_first", symbol="BTCUSDT", timeframe=240, since=start, until=start + 12 * 3600, limit=10
    )
    return [tuple(int(value) for value in row[:6]) for row in rows]


def published_candles() -> list[tuple[int, ...]]:
    text = (SHARED_DATA / "klines" / "BTCUSDT-4h-2024-01-01-morning.csv").read_text()
    return [
        (
            int(datetime.fromisoformat(f"{row['open_time']}+00:00").timestamp() * 1000),
            *(to_count(row[name]) for name in ("open", "high", "low", "close", "volume")),
        )
        for row in csv.DictReader(io.StringIO(text))
    ]


def test_every_captured_frame_comes_out_of_the_table_as_it_went_in(clickhouse: ClickHouse, tmp_path: Path) -> None:
    datas: list[dict[str, Any]] = []
    epochs = itertools.count(1)
    for path in sorted((SHARED_DATA / "ws").glob("*.jsonl")):
        for frames in moments(path.read_bytes().splitlines()):
            datas.extend(map(frame_data, frames))
            store_frames(clickhouse, tmp_path, frames, next(epochs))
    trades = {(each["s"], each["a"]): each for each in datas if each["e"] == "aggTrade"}
    stored: dict[tuple[str, int], Row] = {}
    for symbol in {symbol for symbol, _ in trades}:
        stored.update({(symbol, row[0]): row for row in stored_rows(clickhouse, symbol)})
    assert stored.keys() == trades.keys()
    for key, row in stored.items():
        each = trades[key]
        sent = (each["a"], to_count(each["p"]), to_count(each["q"]), each["f"], each["l"], each["T"], int(each["m"]))
        assert row == sent
    assert len(trades) > 400
    compared = compare_klines([each for each in datas if each["e"] == "kline"], stored)
    assert compared > 50


def moments(lines: list[bytes]) -> list[list[bytes]]:
    """The frames of a file, in the order of their ids. One file has frames of several months: each its own stream."""
    found: list[list[bytes]] = [[]]
    before = 0
    for number, line in sorted((frame_data(line).get("a", 0), line) for line in lines):
        if frame_data(line)["s"] == "BTCUSDT" and before and number - before > SUSPICIOUS_JUMP:
            found.append([])
        found[-1].append(line)
        before = number
    return found


def frame_data(line: bytes) -> dict[str, Any]:
    """What a frame says, combined or raw."""
    message: dict[str, Any] = json.loads(line)
    data: dict[str, Any] = message.get("data", message)
    return data


def store_frames(clickhouse: ClickHouse, folder: Path, frames: list[bytes], epoch: int) -> None:
    """The worker's own way of a frame to the table, with nothing between."""
    symbols = {frame_data(line)["s"] for line in frames}
    ingest = Ingest()
    for shard in {shard_of(symbol) for symbol in symbols}:
        ingest.open_shard(shard, epoch)
    for symbol in symbols:
        ingest.track(symbol, shard_of(symbol), None, 0.0)
    lost: list[str] = []
    writer = Writer(
        clickhouse,
        Spool(folder, 10**7),
        time.monotonic,
        max_rows=10**6,
        lost=lambda batch, cause, reason: lost.append(f"{cause}: {reason}"),
        stale=lambda shard, epoch: lost.append("stale"),
    )
    ingest.add(decode(frames, ingest.symbols).trades, 0.0)
    # A first trade that no other bears out waits for the exchange to say whether it has such a one.
    ingest.learn_firsts({name: (each, True) for name, each in ingest.awaiting_proof(symbols, 0.0).items()}, 0.0)
    for batch in ingest.seal_due(0.0, max_age=0.0):
        writer.submit(batch)
    writer.start()
    assert writer.drain(20)
    writer.stop()
    assert lost == []


def compare_klines(klines: list[dict[str, Any]], stored: dict[tuple[str, int], Row]) -> int:
    """Between two klines of one minute lie exactly the stored trades between their last trade ids: volumes, counts and
    the closing price must agree. Only klines whose last trade ends a stored aggregate can be compared."""
    minutes: dict[tuple[str, int], dict[int, dict[str, Any]]] = defaultdict(dict)
    ends = {(symbol, row[4]): row for (symbol, _), row in stored.items()}
    for kline in (each["k"] for each in klines):
        if (kline["s"], kline["L"]) in ends:
            minutes[kline["s"], kline["t"]][kline["L"]] = kline
    compared = 0
    for (symbol, _), found in minutes.items():
        ordered = [found[last] for last in sorted(found)]
        for kline in ordered:
            assert to_count(kline["c"]) == ends[symbol, kline["L"]][1]
        for before, after in pairwise(ordered):
            between = [
                row for (name, _), row in stored.items() if name == symbol and before["L"] < row[4] <= after["L"]
            ]
            assert to_count(after["v"]) - to_count(before["v"]) == sum(row[2] for row in between)
            quote = (to_count(after["q"]) - to_count(before["q"])) * ONE
            assert quote == sum(row[1] * row[2] for row in between)
            assert after["n"] - before["n"] == sum(row[4] - row[3] + 1 for row in between)
            bought = sum(row[2] for row in between if not row[6])
            assert to_count(after["V"]) - to_count(before["V"]) == bought
            compared += 1
    return compared
