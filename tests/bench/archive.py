"""Recovery from archives: fetched from the exchange, checked against its checksum, read, compared and stored."""

from __future__ import annotations

import csv
import io
import shutil
import time
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import requests
from pyarrow import csv as arrow_csv

from dataprovider.running.exchange import Exchange
from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground
from tests.bench.made_up import MONTH, batch
from tests.bench.original import OriginalTable
from tests.bench.original.table import BATCH, Row

SYMBOL = "BTCUSDT"
FIRST_DAY = date(2024, 3, 1)
DAY_SECONDS = 86_400


def measure(ground: Ground) -> list[Figure]:
    """Trades a second of whole jobs, one recovery worker; the original's way reads the same files."""
    days, per_day, rounds = ground.choose((1, 300_000, 1), (4, 1_500_000, 3))
    read = ground.choose(2 * BATCH, per_day)
    overlay = ground.home / "overlay"
    for number in range(days):
        _write(overlay, number, per_day)
    original = OriginalTable(ground.address)
    own: list[float] = []
    other: list[float] = []
    with ground.exchange(symbols=2, rate=1, history_days=1, archive_overlay=overlay) as exchange:
        for turn in range(rounds):
            own.append(days * per_day / _recovered(ground, exchange, days, days * per_day, turn))
            other.append(read / _originally(exchange, original, read))
            ground.say(f"archive {turn + 1}/{rounds}: {own[-1]:,.0f} trades/s, the original's way {other[-1]:,.0f}")
    original.close()
    shutil.rmtree(overlay)
    ground.empty()
    return [
        Figure(
            "archive_trades_per_s",
            "archive recovery, verified",
            "trades/s",
            Sample(own),
            Sample(other),
            "csv, floats, tuples; no checksum, no comparison",
            at_least=600_000,
            note=f"{days} daily archives of {per_day:,} trades, one job of one recovery worker",
        )
    ]


def _recovered(ground: Ground, exchange: Exchange, days: int, expected: int, turn: int) -> float:
    """How long one job of history takes (seconds), performed as a recovery worker does."""
    # Models are there only once Django's settings are those of this stack.
    from collectors.models import Symbol
    from dataprovider.clickhouse.shards import shard_of
    from integrity.recovery import queue
    from integrity.recovery.maketools import make_tools
    from integrity.recovery.perform import Performer

    ground.empty()
    addresses = {name.lower(): value for name, value in exchange.variables.items()}
    tools = make_tools(ground.config.model_copy(update={**addresses, "archive_give_up_days": 5000}), lambda: False)
    symbol, _ = Symbol.objects.get_or_create(
        name=SYMBOL,
        defaults={
            "onboard_date": datetime(2020, 1, 1, tzinfo=UTC),
            "contract_type": "PERPETUAL",
            "status": "TRADING",
            "shard": shard_of(SYMBOL),
        },
    )
    last = FIRST_DAY + timedelta(days=days - 1)
    queue.add_days_job(symbol, FIRST_DAY, last, source="archive", batch=f"bench {turn}")
    job = queue.claim("bench")
    assert job is not None
    began = time.perf_counter()
    Performer(tools, lambda: False).perform(job)
    took = time.perf_counter() - began
    tools.close()
    job.refresh_from_db()
    if (job.status, job.rows_stored) != ("done", expected):
        raise AssertionError(f"the job ended as {job.status} with {job.rows_stored:,} trades: {job.reason}")
    return took


def _originally(exchange: Exchange, table: OriginalTable, most: int) -> float:
    """How long the first `most` trades of the first archive take (seconds), read as its README describes."""
    table.empty()
    began = time.perf_counter()
    name = f"{SYMBOL}-aggTrades-{FIRST_DAY}"
    answer = requests.get(f"{exchange.url}/data/futures/um/daily/aggTrades/{SYMBOL}/{name}.zip", timeout=60)
    answer.raise_for_status()
    rows: list[Row] = []
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive, archive.open(f"{name}.csv") as member:
        for line in csv.DictReader(io.TextIOWrapper(member)):
            rows.append(_row(line))
            if len(rows) == BATCH:
                table.insert(rows)
                rows = []
                most -= BATCH
                if most <= 0:
                    break
    if rows:
        table.insert(rows)
    return time.perf_counter() - began


def _row(line: dict[str, Any]) -> Row:
    return (
        SYMBOL,
        int(line["agg_trade_id"]),
        float(line["price"]),
        float(line["quantity"]),
        int(line["first_trade_id"]),
        int(line["last_trade_id"]),
        datetime.fromtimestamp(int(line["transact_time"]) / 1000, UTC),
        line["is_buyer_maker"] == "true",
    )


def _write(folder: Path, day: int, rows: int) -> None:
    """One day's archive in the exchange's layout."""
    start = (MONTH + day * DAY_SECONDS) * 1000
    trades = batch([SYMBOL], rows, first_id=1 + day * rows, start_ms=start)
    step = DAY_SECONDS * 1000 // rows
    names = {"agg_trade_id": "aggregate_id", "transact_time": "timestamp"}
    header = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", "is_buyer_maker")
    columns: dict[str, pyarrow.Array] = {}
    for name in header:
        values = getattr(trades, names.get(name, name))
        if name in ("price", "quantity"):
            different, place = np.unique(values, return_inverse=True)
            texts = pyarrow.array([f"{each / 10**8:.5f}".rstrip("0") for each in different.tolist()])
            columns[name] = texts.take(pyarrow.array(place))
        elif name == "transact_time":
            columns[name] = pyarrow.array(start + (values - start) * step)
        elif name == "is_buyer_maker":
            columns[name] = pyarrow.array(values.astype(bool))
        else:
            columns[name] = pyarrow.array(values)
    out = io.BytesIO()
    arrow_csv.write_csv(pyarrow.table(columns), out, arrow_csv.WriteOptions(include_header=False, quoting_style="none"))
    date_ = FIRST_DAY + timedelta(days=day)
    path = folder / "daily" / SYMBOL / f"{SYMBOL}-aggTrades-{date_}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path.name.replace(".zip", ".csv"), ",".join(header).encode() + b"\n" + out.getvalue())
