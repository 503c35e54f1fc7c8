"""The same work on one ClickHouse server and on two, and how quickly a shard moves. Only in a full run."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dataprovider.clickhouse import Address, ClickHouse, migrate
from dataprovider.clickhouse.moving import Move
from dataprovider.clickhouse.shards import SHARD_COUNT, shard_of
from dataprovider.config import load_config
from dataprovider.embedded import ServiceStack
from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground, timed
from tests.bench.history import SYMBOL, month
from tests.bench.made_up import batch, fill_here, symbols_of_shard

SYMBOLS = 400
BATCH = 50_000


def measure(ground: Ground) -> list[Figure]:
    """Inserts by two writers, candles of one symbol, the check of all; then a move while nothing else happens."""
    if ground.quick:
        return []
    return [figure for count in (1, 2) for figure in _with(ground, count)]


def _with(ground: Ground, count: int) -> list[Figure]:
    with TemporaryDirectory(prefix="nodes-", dir=ground.home) as home:
        stack = ServiceStack(Path(home), environ={"DATABASE_URL": "none", "REDIS_URL": "none"}, nodes=count)
        stack.start()
        try:
            addresses = Address.of_nodes(load_config(stack.variables(), stack.home))
            migrate(addresses)
            store = ClickHouse(addresses, timeout=600.0)
            figures = _figures(ground, store, count)
            store.close()
            return figures
        finally:
            stack.stop()


def _figures(ground: Ground, store: ClickHouse, count: int) -> list[Figure]:
    named = "one node" if count == 1 else f"{count} nodes"
    inserts = [_inserted(store) for _ in range(5)]
    store.run_text("TRUNCATE TABLE trades_local")
    for number, node in enumerate(store.nodes):
        fill_here(node, SYMBOL, SYMBOLS, 25_000, shards=[s for s in range(SHARD_COUNT) if s % count == number])
    store.run_text("OPTIMIZE TABLE trades_local FINAL")
    rows = int(store.query("total_rows")[0][0])
    asked: dict[str, Any] = {"symbol": SYMBOL, **month()}
    candles = [1000 * timed(lambda: store.query("candles_first", limit=1000, **asked)) for _ in range(25)]
    check = [1000 * timed(lambda: store.query("check_months", symbols=[])) for _ in range(25)]
    ground.say(
        f"{named}: {Sample(inserts).median:,.0f} rows/s, candles {Sample(candles).median:.1f} ms, "
        f"check {Sample(check).median:.1f} ms"
    )
    table = f"{rows:,} trades of {SYMBOLS + 1} symbols, all on the same cores"
    figures = [
        Figure(f"nodes_{count}_insert", f"insert by two writers, {named}", "rows/s", Sample(inserts), note=table),
        Figure(f"nodes_{count}_candles", f"a month of 173m candles, {named}", "ms", Sample(candles), note=table),
        Figure(f"nodes_{count}_check", f"integrity of all, {named}", "ms", Sample(check), note=table),
    ]
    return figures if count == 1 else [*figures, _moved(ground, store)]


def _inserted(store: ClickHouse) -> float:
    """Rows a second of two writers, each with the shards of one parity."""
    tokens = itertools.count()
    batches = {shard: batch(symbols_of_shard(shard, 10), BATCH) for shard in range(8)}

    def write(parity: int) -> None:
        for shard, each in batches.items():
            if shard % 2 == parity:
                token = f"bench-nodes:{id(batches)}:{parity}:{next(tokens)}"
                store.insert_trades(each, token=token, shard=shard, epoch=2**61, query_id="")

    def both() -> None:
        threads = [threading.Thread(target=write, args=(parity,)) for parity in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return len(batches) * BATCH / timed(both)


def _moved(ground: Ground, store: ClickHouse) -> Figure:
    """The shard of SYMBOL goes to the other node: copied, compared, switched."""
    shard = shard_of(SYMBOL)
    move = Move(store.nodes, shard, 1 - shard % 2)
    rows = sum(day.rows for day in move.missing())

    def go() -> None:
        for day in move.missing():
            move.copy(day)
        move.close(1)
        assert not move.missing()
        move.announce()
        move.give_up(1)
        move.arrive(1)
        move.switch()

    seconds = timed(go)
    ground.say(f"a shard moved: {rows / seconds:,.0f} trades/s")
    return Figure(
        "nodes_move",
        "a shard on its way to another node",
        "trades/s",
        Sample([rows / seconds]),
        note=f"{rows:,} trades, copied and compared",
    )
