"""The board in Valkey: each symbol's newest price and pace."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from collectors.board import Board, BoardLine, board_key, read_board
from dataprovider.clickhouse.shards import shard_of

MINUTE = 60_000


def bar(symbol: str, minute: int, *, close: int, trades: int, seen: int) -> dict[str, Any]:
    return {"s": symbol, "t": minute * MINUTE, "c": close, "a": trades, "E": seen}


@pytest.fixture
def board(redis: Redis) -> Board:
    return Board()


def test_the_newest_price_and_the_pace_of_the_last_minutes_are_shown(board: Board, redis: Redis) -> None:
    board.note(bar("BTCUSDT", 10, close=7, trades=1500, seen=11 * MINUTE - 1))
    board.note(bar("BTCUSDT", 11, close=8, trades=300, seen=11 * MINUTE + 30_000))
    board.note(bar("ETHUSDT", 11, close=9, trades=30, seen=11 * MINUTE + 30_000))
    board.write(redis)
    assert read_board(redis) == {
        "BTCUSDT": BoardLine(8, 11 * MINUTE + 30_000, 20.0),
        # Its minute before is not known: only what was seen counts.
        "ETHUSDT": BoardLine(9, 11 * MINUTE + 30_000, 1.0),
    }


def test_a_late_trade_of_the_minute_before_counts_and_does_not_bring_its_price_back(board: Board, redis: Redis) -> None:
    board.note(bar("BTCUSDT", 10, close=7, trades=600, seen=11 * MINUTE - 1))
    board.note(bar("BTCUSDT", 11, close=8, trades=0, seen=11 * MINUTE + 30_000))
    board.note(bar("BTCUSDT", 10, close=7, trades=900, seen=11 * MINUTE + 30_000))
    # One of long before counts for nothing.
    board.note(bar("BTCUSDT", 3, close=1, trades=9000, seen=11 * MINUTE + 30_000))
    board.write(redis)
    assert read_board(redis)["BTCUSDT"] == BoardLine(8, 11 * MINUTE + 30_000, 10.0)


def test_a_minute_without_trades_in_between_is_not_counted_as_the_one_before(board: Board, redis: Redis) -> None:
    board.note(bar("BTCUSDT", 8, close=7, trades=9000, seen=9 * MINUTE))
    board.note(bar("BTCUSDT", 11, close=8, trades=60, seen=11 * MINUTE + 30_000))
    board.write(redis)
    assert read_board(redis)["BTCUSDT"].trades_per_s == 2.0


def test_only_what_changed_is_written(board: Board, redis: Redis) -> None:
    board.note(bar("BTCUSDT", 10, close=7, trades=600, seen=11 * MINUTE - 1))
    board.write(redis)
    redis.delete(board_key(shard_of("BTCUSDT")))
    board.write(redis)
    assert read_board(redis) == {}
