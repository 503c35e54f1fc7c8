"""The same of candles that somebody watched while they were made, and while a gap in them was repaired."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from collectors.models import Gap, GapStatus
from dataprovider.clickhouse import ClickHouse
from dataprovider.decimals import to_count, to_text
from tests.clickhouse.trades import NEW_YEAR, Row
from tests.faces.asking import TIMEFRAMES, as_native, assert_every_face_agrees, native
from tests.faces.plain import MINUTE, PlainCandle, minutes, plain_candles, real_morning
from tests.fixtures_collectors import RunningCollectors, missing_ids
from tests.fixtures_exchange import RunningExchange
from tests.shared_data import needs_shared_data
from tests.simulator.archive_writing import Row as ArchiveRow
from tests.simulator.archive_writing import write_archive
from tests.streaming.conftest import Client, Connect, Frame, StartServer
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]


def sent_trades(exchange: RunningExchange) -> list[Row]:
    """What the exchange itself says of everything it sent, and of what it kept back on the way."""
    sent = exchange.sent["BTCUSDT"]
    rows: list[Row] = []
    while not rows or rows[-1].aggregate_id < sent["last_id"]:
        following = rows[-1].aggregate_id + 1 if rows else sent["first_id"]
        rows += [
            Row(t["a"], t["T"], to_count(t["p"]), to_count(t["q"]), t["f"], t["l"], int(t["m"]))
            for t in exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=following, limit=1000)
            if t["a"] <= sent["last_id"]
        ]
    return rows


def shown(client: Client, timeframe: int) -> dict[int, PlainCandle]:
    return {at: native(candle) for at, candle in client.candles(timeframe).items()}


def wait_until_shown(client: Client, rows: list[Row]) -> None:
    """Until the client has of every timeframe what these trades add up to."""
    expected = {timeframe: as_native(plain_candles(rows, minutes(timeframe))) for timeframe in TIMEFRAMES}
    client.send(action="ping", timestamp=1)
    client.until(
        lambda _: all(shown(client, each) == expected[each] for each in TIMEFRAMES), "candles equal to the raw trades"
    )


def test_candles_that_were_live_while_their_gap_was_repaired(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    start_server: StartServer,
    clickhouse: ClickHouse,
    connect: Connect,
) -> None:
    exchange = start_exchange(symbols=2, rate=100, paused=True)
    collectors = start_collectors(exchange, workers=1, RECOVERY_WORKERS="1", ENABLE_INTEGRITY_CHECKS="false")
    server = start_server()
    collectors.wait_until_subscribed()
    # So that a minute ends in the middle of it.
    exchange.advance((105_000 - exchange.state["now_ms"] % 60_000) % 60_000 / 1000)
    client = connect(server)
    client.watch("BTCUSDT", *TIMEFRAMES)
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("stored") > 100, 30, "stored trades")
    exchange.fault("skip", symbol="BTCUSDT", count=25)
    wait_until(lambda: Gap.objects.filter(status=GapStatus.RECOVERED).exists(), 60, "the gap to be recovered")
    uncorrected = {f"{timeframe}m" for timeframe in TIMEFRAMES}

    def is_the_last(frame: Frame) -> bool:
        if frame.get("correction"):
            uncorrected.discard(frame["timeframe"])
        return not uncorrected

    client.until(is_the_last, "correction of every timeframe", most=10**6)
    exchange.post("/simulator/stop")
    wait_until(lambda: not missing_ids(clickhouse, exchange.sent), 30, "every trade to be stored")
    rows = sent_trades(exchange)
    assert sum(gap.last_id - gap.first_id + 1 for gap in Gap.objects.filter(symbol__name="BTCUSDT")) >= 25
    wait_until_shown(client, rows)
    for timeframe in TIMEFRAMES:
        assert_every_face_agrees(server, rows, timeframe)


@needs_shared_data
def test_real_trades_that_were_watched(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    start_server: StartServer,
    clickhouse: ClickHouse,
    connect: Connect,
    tmp_path: Path,
) -> None:
    """Twenty minutes in twenty seconds: any faster, and a trade would be stored minutes after it happened.

    AGREEMENT_MINUTES=720 takes the whole morning, and twelve minutes.
    """
    watched = int(os.environ.get("AGREEMENT_MINUTES", "20"))
    rows = [row for row in real_morning() if row.time < NEW_YEAR + watched * MINUTE]
    write_archive(tmp_path, "BTCUSDT", "2024-01-01", [archived(row) for row in rows])
    exchange = start_exchange(archive_dir=tmp_path, replay_speed=60, paused=True)
    collectors = start_collectors(exchange, workers=1, RECOVERY_WORKERS="1", ENABLE_INTEGRITY_CHECKS="false")
    server = start_server()
    collectors.wait_until_subscribed()
    client = connect(server)
    client.watch("BTCUSDT", *TIMEFRAMES)
    exchange.post("/simulator/start")
    last = minutes(1)(rows[-1].time)
    client.until(
        lambda frame: frame.get("timeframe") == "1m" and frame["data"]["candle_time"] == last, "last minute", most=10**6
    )
    wait_until(lambda: not missing_ids(clickhouse, exchange.sent), 30, "every trade to be stored")
    wait_until_shown(client, rows)
    for timeframe in TIMEFRAMES:
        assert_every_face_agrees(server, rows, timeframe)


def archived(row: Row) -> ArchiveRow:
    numbers = to_text(row.price), to_text(row.quantity)
    return (row.aggregate_id, *numbers, row.first, row.last, row.time, "true" if row.maker else "false")
