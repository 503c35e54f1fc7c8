"""Replaying archives: every row comes out of the stream as it is in the file, on the exchange's own clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataprovider.simulator.clock import ReplayClock
from dataprovider.simulator.symbols import exact
from tests.fixtures_exchange import RunningExchange
from tests.shared_data import SHARED_DATA, needs_shared_data
from tests.simulator.archive_writing import Row, rows_from, write_archive
from tests.simulator.stream_client import StreamClient
from tests.simulator.test_archives import csv_lines
from tests.waiting import wait_until

Start = Callable[..., RunningExchange]
NEW_YEAR_2024 = 1_704_067_200_000
AUTUMN_2025 = 1_756_684_800_000


def key(row: Row | list[str]) -> tuple[int, int, int, int, int, int, bool]:
    number, price, quantity, first, last, time, maker = map(str, row)
    return int(number), exact(price), exact(quantity), int(first), int(last), int(time), maker == "true"


def key_of_trade(trade: dict[str, Any]) -> tuple[int, int, int, int, int, int, bool]:
    return trade["a"], exact(trade["p"]), exact(trade["q"]), trade["f"], trade["l"], trade["T"], trade["m"]


def replayed(exchange: RunningExchange, seconds: float = 60) -> list[dict[str, Any]]:
    """Every trade an exchange that waits for its start sends."""
    symbols = [item["symbol"] for item in exchange.get("/fapi/v1/exchangeInfo")["symbols"]]
    with StreamClient(exchange.stream_url) as client:
        client.ask("SUBSCRIBE", *(f"{symbol.lower()}@aggTrade" for symbol in symbols))
        exchange.post("/simulator/start")

        def done() -> bool:
            client.read_for(0.3)
            state = exchange.state
            return bool(state["finished"]) and len(client.trades) >= state["sent"]

        wait_until(done, seconds, "the end of the replay")
        return client.trades


def test_every_row_is_sent_once_in_order_and_unchanged(start_exchange: Start, tmp_path: Path) -> None:
    one, two = rows_from(500, NEW_YEAR_2024, 700), rows_from(1200, NEW_YEAR_2024 + 86_400_000, 300)
    other = rows_from(9000, NEW_YEAR_2024, 50, step_ms=150)
    write_archive(tmp_path, "BTCUSDT", "2024-01-01", one)
    write_archive(tmp_path, "BTCUSDT", "2024-01-02", two, header=False)
    write_archive(tmp_path, "龙虾USDT", "2024-01-01", other)
    exchange = start_exchange(archive_dir=tmp_path, replay_speed=10, paused=True)
    assert exchange.state["market"] == "replay"
    trades = replayed(exchange)
    assert [key_of_trade(trade) for trade in trades if trade["s"] == "BTCUSDT"] == [key(row) for row in one + two]
    assert [key_of_trade(trade) for trade in trades if trade["s"] == "龙虾USDT"] == [key(row) for row in other]
    assert exchange.sent["BTCUSDT"] == {"first_id": 500, "last_id": 1499, "count": 1000}
    assert all(trade["E"] >= trade["T"] and "nq" not in trade for trade in trades)
    newest = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=1400, limit=1000)
    assert [key_of_trade(row) for row in newest] == [key(row) for row in two[200:]]


def test_the_clock_is_the_archives_and_jumps_over_quiet_stretches(start_exchange: Start, tmp_path: Path) -> None:
    write_archive(tmp_path, "BTCUSDT", "2024-01-01", rows_from(1, NEW_YEAR_2024, 100))
    write_archive(tmp_path, "ETHUSDT", "2025-09-01", rows_from(1, AUTUMN_2025, 100))
    exchange = start_exchange(archive_dir=tmp_path, replay_speed=20, paused=True)
    before = exchange.get("/fapi/v1/time")["serverTime"]
    assert NEW_YEAR_2024 - 2000 < before <= NEW_YEAR_2024
    assert exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT") == []
    assert len(replayed(exchange, 20)) == 200
    after = exchange.get("/fapi/v1/time")["serverTime"]
    assert AUTUMN_2025 < after < AUTUMN_2025 + 3_600_000
    wait_until(lambda: exchange.get("/fapi/v1/time")["serverTime"] > after, 5, "the clock to go on after the end")
    old = exchange.response("/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=1)
    assert old.json()["code"] == -4166, "the trades of 2024 are older than 48 h by the exchange's clock"
    assert len(exchange.get("/fapi/v1/aggTrades", symbol="ETHUSDT", fromId=1)) == 100


def test_defects_of_archives_are_not_in_the_stream(start_exchange: Start, tmp_path: Path) -> None:
    rows = rows_from(100, NEW_YEAR_2024, 300)
    twin = (*rows[50][:3], rows[50][3] + 7, rows[50][4] + 7, *rows[50][5:])
    interleaved = rows[150:] + rows[:150] + rows[20:40] + [twin]
    path = write_archive(tmp_path, "SOLUSDT", "2024-01-01", interleaved)
    exchange = start_exchange(archive_dir=tmp_path, replay_speed=10, paused=True, archive_delay_hours=-1)
    trades = [key_of_trade(trade) for trade in replayed(exchange)]
    expected = [key(row) for row in rows]
    assert trades == sorted([*expected, key(twin)]), "two trades may share an aggregate id"
    served = exchange.response("/data/futures/um/daily/aggTrades/SOLUSDT/" + path.name)
    assert served.content == path.read_bytes(), "archives are served as they are"
    checksum = exchange.response("/data/futures/um/daily/aggTrades/SOLUSDT/" + path.name + ".CHECKSUM")
    assert checksum.text == path.with_name(path.name + ".CHECKSUM").read_text()


def test_archives_of_a_replay_appear_by_its_own_clock(start_exchange: Start, tmp_path: Path) -> None:
    write_archive(tmp_path, "BTCUSDT", "2024-01-01", rows_from(1, NEW_YEAR_2024, 100))
    write_archive(tmp_path, "BTCUSDT", "2024-01-03", rows_from(101, NEW_YEAR_2024 + 2 * 86_400_000, 100))
    exchange = start_exchange(archive_dir=tmp_path, replay_speed=20, paused=True)
    path = "/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-0"
    assert exchange.response(f"{path}1.zip").status_code == 404
    replayed(exchange)
    assert exchange.response(f"{path}1.zip").status_code == 200
    assert exchange.response(f"{path}3.zip").status_code == 404


def test_stop_and_start_lose_nothing(start_exchange: Start, tmp_path: Path) -> None:
    rows = rows_from(1, NEW_YEAR_2024, 2000)
    write_archive(tmp_path, "BTCUSDT", "2024-01-01", rows)
    exchange = start_exchange(archive_dir=tmp_path, replay_speed=20, paused=True)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as client:
        exchange.post("/simulator/start")
        client.read_until(lambda: len(client.trades) > 300, "trades")
        state = exchange.post("/simulator/stop")
        client.read_for(0.5)
        assert not state["running"]
        assert len(client.trades) == state["sent"] < 2000
        exchange.post("/simulator/start")
        client.read_until(lambda: len(client.trades) == 2000, "the rest")
        assert [key_of_trade(trade) for trade in client.trades] == [key(row) for row in rows]


def test_klines_of_a_replay_count_its_trades(start_exchange: Start, tmp_path: Path) -> None:
    rows = rows_from(1, NEW_YEAR_2024 - 30_000, 3000)
    write_archive(tmp_path, "BTCUSDT", "2024-01-01", rows)
    exchange = start_exchange(archive_dir=tmp_path, replay_speed=100, paused=True)
    replayed(exchange)
    found = exchange.get("/fapi/v1/klines", symbol="BTCUSDT", interval="1m", startTime=NEW_YEAR_2024 - 60_000, limit=2)
    assert [row[0] for row in found] == [NEW_YEAR_2024 - 60_000, NEW_YEAR_2024]
    first = [row for row in rows if row[5] < NEW_YEAR_2024]
    assert exact(found[0][5]) == sum(exact(row[2]) for row in first)
    assert found[0][8] == sum(row[4] - row[3] + 1 for row in first)


def test_the_clock_jumps_and_stops() -> None:
    seconds = [0.0]
    clock = ReplayClock([(1000, 3000), (50_000, 51_000)], speed=10, monotonic=lambda: seconds[0])
    assert clock.now_ms() == 1000
    clock.start()
    seconds[0] = 0.1
    assert clock.now_ms() == 2000
    seconds[0] = 0.25
    assert clock.now_ms() == 50_500
    clock.stop()
    seconds[0] = 100.0
    assert clock.now_ms() == 50_500
    clock.start()
    seconds[0] = 101.0
    assert clock.now_ms() == 60_500, "after the last stretch it just runs on"


@needs_shared_data
def test_the_real_archives_come_out_row_by_row(start_exchange: Start) -> None:
    archives = SHARED_DATA / "archives"
    exchange = start_exchange(archive_dir=archives, replay_speed=4000, paused=True, buffer_megabytes=500)
    trades = replayed(exchange, 200)
    for symbol, count in (("BTCUSDT", 344_377), ("ETHUSDT", 10_001)):
        zipped = next(archives.rglob(f"{symbol}-*.zip"))
        expected = [key(line.split(",")) for line in csv_lines(zipped.read_bytes())[1:]]
        mine = [key_of_trade(trade) for trade in trades if trade["s"] == symbol]
        assert len(expected) == count
        assert mine == expected
        assert exchange.sent[symbol]["count"] == count


@needs_shared_data
def test_a_saved_exchange_info_can_be_used_with_a_replay(start_exchange: Start) -> None:
    exchange = start_exchange(
        archive_dir=SHARED_DATA / "archives",
        symbols=SHARED_DATA / "rest" / "exchangeInfo-2026-07-03.json",
        paused=True,
    )
    assert len(exchange.get("/fapi/v1/exchangeInfo")["symbols"]) == 820
    assert exchange.get("/fapi/v1/aggTrades", symbol="SOLUSDT") == []
