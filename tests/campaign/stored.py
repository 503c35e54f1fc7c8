"""What ClickHouse and Postgres hold, asked with SQL of this file's own."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import requests

from dataprovider.config import Config
from tests.campaign.exchangelog import Trade, exact

ROWS = """
SELECT aggregate_id, price, quantity, first_trade_id, last_trade_id, toUnixTimestamp64Milli(timestamp), is_buyer_maker
FROM trades_local WHERE symbol = {symbol:String} ORDER BY aggregate_id, first_trade_id FORMAT TSV
"""
COUNTS = "SELECT symbol, uniqExact(aggregate_id), min(aggregate_id) FROM trades_local GROUP BY symbol FORMAT TSV"
#: Active parts, the partitions they are in, parts that are being merged.
PARTS = """
SELECT count(), uniqExact(partition_id), (SELECT sum(num_parts) FROM system.merges)
FROM system.parts WHERE active AND database = currentDatabase() AND table = 'trades_local' FORMAT TSV
"""
OPEN_GAPS = "SELECT count(*) FROM collectors_gap WHERE status IN ('open', 'recovering')"
JOBS = "SELECT count(*) FROM integrity_recoveryjob WHERE kind = 'ids' AND status IN ('pending', 'running', 'failed')"
CAUSES = "SELECT cause, count(*) FROM collectors_gap GROUP BY cause ORDER BY cause"
LONGEST = """
SELECT coalesce(max(extract(epoch FROM updated_at - opened_at)), 0) FROM collectors_gap WHERE status = 'recovered'
"""
LEFT_GAPS = """
SELECT name, first_id, last_id, collectors_gap.status, cause FROM collectors_gap JOIN collectors_symbol
ON collectors_symbol.id = symbol_id WHERE collectors_gap.status IN ('open', 'recovering') ORDER BY name LIMIT 20
"""
LEFT_JOBS = """
SELECT name, first_id, last_id, integrity_recoveryjob.status, reason FROM integrity_recoveryjob
JOIN collectors_symbol ON collectors_symbol.id = symbol_id
WHERE integrity_recoveryjob.status IN ('pending', 'running', 'failed') ORDER BY name LIMIT 20
"""


class Table:
    """The trades in ClickHouse, over its HTTP port. Methods raise requests.RequestException."""

    def __init__(self, config: Config) -> None:
        self._url = f"http://{config.clickhouse_host}:{config.clickhouse_http_port}/"
        self._headers = {
            "X-ClickHouse-User": config.clickhouse_username,
            "X-ClickHouse-Key": config.clickhouse_password,
        }
        self._database = config.clickhouse_database

    def trades(self, symbol: str) -> Iterator[Trade]:
        """Every row of a symbol by id, duplicates too."""
        for line in self._ask(ROWS, param_symbol=symbol):
            identity, price, quantity, first, last, time, maker = line.split("\t")
            yield int(identity), exact(price), exact(quantity), int(first), int(last), int(time), int(maker)

    def counts(self) -> dict[str, tuple[int, int]]:
        """Symbol -> how many different ids it has, and the first."""
        rows = (line.split("\t") for line in self._ask(COUNTS))
        return {symbol: (int(ids), int(first)) for symbol, ids, first in rows}

    def parts(self) -> tuple[int, int, int]:
        """Active parts, partitions, parts that are being merged."""
        (line,) = self._ask(PARTS)
        active, partitions, merging = map(int, line.split("\t"))
        return active, partitions, merging

    def _ask(self, sql: str, **params: str) -> list[str]:
        wanted = {"database": self._database, **params}
        answer = requests.post(self._url, params=wanted, data=sql.encode(), headers=self._headers, timeout=60)
        answer.raise_for_status()
        return answer.text.splitlines()


class Books:
    """What Postgres says of gaps and jobs. Methods raise psycopg.Error."""

    def __init__(self, config: Config) -> None:
        self._url = config.database_url

    def unfinished(self) -> tuple[int, int]:
        """Open gaps, and jobs for gaps that are not done."""
        return int(str(self._rows(OPEN_GAPS)[0][0])), int(str(self._rows(JOBS)[0][0]))

    def causes(self) -> dict[str, int]:
        """How many gaps there were, by cause."""
        return {str(cause): int(str(number)) for cause, number in self._rows(CAUSES)}

    def longest_seconds(self) -> float:
        """How long the gap that was open longest was open."""
        return float(str(self._rows(LONGEST)[0][0]))

    def left(self) -> list[str]:
        """Gaps and jobs that are not done, for people."""
        return [" ".join(map(str, row)) for row in (*self._rows(LEFT_GAPS), *self._rows(LEFT_JOBS))]

    def _rows(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self._url, connect_timeout=5) as connection:
            return list(connection.execute(sql.encode()).fetchall())
