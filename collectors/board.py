"""The board: every symbol's newest price and pace in Valkey, a hash a shard, written once a second for overviews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from redis import Redis

from collectors.live import MINUTE_MS
from dataprovider.clickhouse.shards import SHARD_COUNT, shard_of


def board_key(shard: int) -> str:
    """The hash of a shard: symbol -> its line as JSON."""
    return f"dataprovider:board:{shard}"


@dataclass(frozen=True, slots=True)
class BoardLine:
    """A symbol as it was last heard of: price a count of 10^-8, times in ms, `trades_per_s` of the last one to two
    minutes before `seen_ms`."""

    price: int
    seen_ms: int
    trades_per_s: float


class Board:
    """Notes the live minutes of one process and writes the lines that changed; one thread only."""

    def __init__(self) -> None:
        #: Symbol -> its newest minute: [minute, price, aggregates in it, aggregates in the one before, seen].
        self._lines: dict[str, list[int]] = {}
        self._changed: set[str] = set()

    def note(self, bar: Mapping[str, Any]) -> None:
        """A live minute as it is published."""
        line = self._lines.get(bar["s"])
        minute: int = bar["t"]
        if line is None:
            self._lines[bar["s"]] = [minute, bar["c"], bar["a"], 0, bar["E"]]
        elif minute == line[0]:
            line[1], line[2], line[4] = bar["c"], bar["a"], bar["E"]
        elif minute > line[0]:
            before = line[2] if minute == line[0] + MINUTE_MS else 0
            line[:] = [minute, bar["c"], bar["a"], before, bar["E"]]
        else:
            if minute == line[0] - MINUTE_MS:
                line[3] = bar["a"]
            return
        self._changed.add(bar["s"])

    def write(self, redis: Redis) -> None:
        """Write what changed since the last time; raises redis.exceptions.RedisError, then the next time."""
        if not self._changed:
            return
        shards: dict[int, dict[str, bytes]] = {}
        for symbol in self._changed:
            shards.setdefault(shard_of(symbol), {})[symbol] = orjson.dumps(self._lines[symbol])
        pipeline = redis.pipeline(transaction=False)
        for shard, lines in shards.items():
            pipeline.hset(board_key(shard), mapping=lines)  # type: ignore[arg-type]
        pipeline.execute()
        self._changed.clear()


def read_board(redis: Redis) -> dict[str, BoardLine]:
    """The lines of every symbol that was ever collected; raises redis.exceptions.RedisError."""
    pipeline = redis.pipeline(transaction=False)
    for shard in range(SHARD_COUNT):
        pipeline.hgetall(board_key(shard))
    found: dict[str, BoardLine] = {}
    for lines in pipeline.execute():
        for symbol, text in lines.items():
            minute, price, trades, before, seen = orjson.loads(text)
            passed = max(1.0, (seen - minute) / 1000)
            seconds = passed + (MINUTE_MS / 1000 if before else 0)
            found[symbol.decode()] = BoardLine(price, seen, round((trades + before) / seconds, 2))
    return found
