"""What changes as the table grows: slopes that docs/PERFORMANCE.md extrapolates from. Only in a full run."""

from __future__ import annotations

from typing import Any

from clickhouse_driver import Client

from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground, timed
from tests.bench.history import SYMBOL, month
from tests.bench.made_up import fill_month, fill_symbols, merged

SYMBOLS = 800
ROWS = 4_000
#: A month, half a year and a year of SYMBOLS contracts: it is their days that the check adds up.
DAYS = (31, 183, 366)
#: Trades in the table while the same month of one symbol is asked for.
SIZES = (10_000_000, 100_000_000)
MONTH_ROWS = 2_000_000
#: As many trades a minute as 36 billion of 800 symbols over three years.
PER_MINUTE = 28


def measure(ground: Ground) -> list[Figure]:
    """Asked of the same symbol and month while months of other symbols are added around it."""
    if ground.quick:
        return []
    found = [_with_rows(ground, rows) for rows in SIZES]
    for days in DAYS:
        ground.empty()
        fill_month(ground.store, SYMBOL, MONTH_ROWS)
        fill_symbols(ground.store, SYMBOLS, ROWS, days=days)
        merged(ground.store)
        found += _asked(ground, days)
    ground.empty()
    fill_symbols(ground.store, 60, 2 * 1440 * PER_MINUTE, days=2)
    merged(ground.store)
    found.append(_minute(ground))
    ground.empty()
    return found


def _with_rows(ground: Ground, rows: int) -> Figure:
    """A month of candles in a table with so many trades of one month, of SYMBOLS others."""
    ground.empty()
    fill_month(ground.store, SYMBOL, MONTH_ROWS)
    fill_symbols(ground.store, SYMBOLS, (rows - MONTH_ROWS) // SYMBOLS)
    merged(ground.store)
    asked: dict[str, Any] = {"symbol": SYMBOL, **month()}
    waits = [1000 * timed(lambda: ground.store.query("candles_first", limit=1000, **asked)) for _ in range(15)]
    millions = rows // 10**6
    ground.say(f"growth, {millions} million trades: candles {Sample(waits).median:.1f} ms")
    return Figure(
        f"growth_candles_{millions}m",
        f"a month of candles, {millions} million trades stored",
        "ms",
        Sample(waits),
        note=f"{MONTH_ROWS:,} trades of the symbol, the others of {SYMBOLS} symbols in the same month, merged",
    )


def _asked(ground: Ground, days: int) -> list[Figure]:
    asked: dict[str, Any] = {"symbol": SYMBOL, **month()}
    ((_, parts, rows, *_),) = ground.store.query("store_size")
    candles = [1000 * timed(lambda: ground.store.query("candles_first", limit=1000, **asked)) for _ in range(15)]
    check = [1000 * timed(lambda: ground.store.query("check_months", symbols=[])) for _ in range(7)]
    restart = ground.restart("clickhouse")
    ground.say(
        f"growth, {days} days: candles {Sample(candles).median:.0f} ms, check {Sample(check).median:.0f} ms, "
        f"ClickHouse back after {restart:.1f} s"
    )
    table = f"{SYMBOLS} symbols, {days} days, {rows:,} trades in {parts} parts"
    return [
        Figure(f"growth_candles_{days}", f"a month of candles, {days} days stored", "ms", Sample(candles), note=table),
        Figure(f"growth_check_{days}", f"integrity of all, {days} days stored", "ms", Sample(check), note=table),
        Figure(f"growth_start_{days}", f"ClickHouse after kill -9, {days} days", "s", Sample([restart]), note=table),
    ]


def _minute(ground: Ground) -> Figure:
    """Bytes of a minute's row in the projection: what a quiet symbol costs."""
    address = ground.address
    client = Client(
        address.host, address.port, user=address.username, password=address.password, database=address.database
    )
    asked = (
        "SELECT sum(bytes_on_disk) / sum(rows) FROM system.projection_parts "
        "WHERE active AND database = currentDatabase() AND name = 'ohlcv_1m_projection'"
    )
    bytes_each = float(client.execute(asked)[0][0])
    client.disconnect()
    ground.say(f"growth: {bytes_each:.0f} bytes for a minute of a symbol")
    return Figure(
        "growth_minute",
        "bytes of a symbol's minute in the projection",
        "bytes",
        Sample([bytes_each]),
        note=f"{PER_MINUTE} trades in each minute",
    )
