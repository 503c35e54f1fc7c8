"""`manage.py runcollectors` as a process of its own, against the test stack and a simulated exchange."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest
from django.conf import settings
from django.db import connection
from redis import Redis

from collectors.directory import wanted_symbols
from collectors.models import Gap
from dataprovider.clickhouse import ClickHouse
from dataprovider.heartbeat import WorkerStatus, read_workers
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """The URL of the database that pytest-django made for this run."""
    parts = urlsplit(settings.CONFIG.database_url)
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


class RunningCollectors:
    """A running farm. `home` holds its spool and dead letters; `prefix` is put before its command."""

    def __init__(
        self, exchange: RunningExchange, home: Path, *, workers: int, prefix: Sequence[str] = (), **variables: str
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.log = home / "collectors.log"
        self._redis = Redis.from_url(settings.CONFIG.redis_url)
        environ = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "DATAPROVIDER_HOME": str(home),
            "BINANCE_REST_URL": exchange.url,
            "BINANCE_STREAM_URL": exchange.ws_url,
            "BINANCE_ARCHIVE_URL": exchange.url,
            "BINANCE_ARCHIVE_LISTING_URL": f"{exchange.url}/listing",
            # Tests of collection alone look at the gaps it leaves.
            "RECOVERY_WORKERS": "0",
            **variables,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, str(ROOT / "manage.py"), "runcollectors", "--workers", str(workers)],
                cwd=ROOT,
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def statuses(self) -> list[WorkerStatus]:
        """What its own workers said last."""
        return [each for each in read_workers(self._redis) if each.owner.split(":")[1] == str(self.process.pid)]

    def wait_until_subscribed(self, *, seconds: float = 30) -> None:
        """Wait until every symbol that is to be collected is subscribed."""

        def subscribed() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            wanted = sum(map(len, wanted_symbols().values()))
            return wanted > 0 and self.total("subscribed") == wanted

        wait_until(subscribed, seconds, "every symbol to be subscribed")

    def total(self, counter: str) -> int:
        """One of the workers' counters, summed."""
        return sum(getattr(each, counter) for each in self.statuses())

    def stop(self, *, seconds: float = 11) -> int:
        """SIGTERM; the exit status. Fails when it takes longer than it may."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            self._end()

    def stop_group(self, *, seconds: float = 11) -> int:
        """SIGTERM to every process at once, as a service manager does it; the exit status."""
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            self._end()

    def kill(self) -> None:
        """The supervisor and every worker at once, as when the machine loses power."""
        for process in self._family():
            process.kill()
        self._end()

    def _family(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _end(self) -> None:
        if self.process.poll() is None:
            for process in self._family():
                process.kill()
        self.process.wait(10)
        self._redis.close()


@pytest.fixture
def start_collectors(
    transactional_db: None, clickhouse: ClickHouse, tmp_path: Path
) -> Iterator[Callable[..., RunningCollectors]]:
    """Start farms: start_collectors(exchange, workers=2, LOAD_ONLY_TICKERS="BTCUSDT"). Ended after the test."""
    Redis.from_url(settings.CONFIG.redis_url).flushdb()
    started: list[RunningCollectors] = []

    def start(
        exchange: RunningExchange,
        *,
        workers: int = 2,
        home: str = "home",
        prefix: Sequence[str] = (),
        **variables: str,
    ) -> RunningCollectors:
        collectors = RunningCollectors(exchange, tmp_path / home, workers=workers, prefix=prefix, **variables)
        started.append(collectors)
        return collectors

    yield start
    for collectors in started:
        collectors.stop()


def stored_ids(clickhouse: ClickHouse, symbol: str) -> list[int]:
    """Every stored aggregate id of a symbol, duplicates too, ascending."""
    rows = clickhouse.query("stored_ids", symbol=symbol, first_id=0, last_id=2**62)
    return sorted(int(row[0]) for row in rows)


def missing_ids(clickhouse: ClickHouse, sent: dict[str, dict[str, Any]]) -> dict[str, set[int]]:
    """Per symbol the ids between the first and the last sent one that are not stored; symbols without any left out."""
    missing = {
        symbol: set(range(ids["first_id"], ids["last_id"] + 1)) - set(stored_ids(clickhouse, symbol))
        for symbol, ids in sent.items()
    }
    return {symbol: ids for symbol, ids in missing.items() if ids}


def duplicated_ids(clickhouse: ClickHouse, symbols: list[str]) -> dict[str, set[int]]:
    """Per symbol the ids that are stored more than once."""
    found = {}
    for symbol in symbols:
        ids = stored_ids(clickhouse, symbol)
        twice = {one for one, next_one in pairwise(ids) if one == next_one}
        if twice:
            found[symbol] = twice
    return found


def gap_ids() -> dict[str, set[int]]:
    """Per symbol the ids that open gaps name."""
    found: dict[str, set[int]] = {}
    for gap in Gap.objects.filter(status="open").select_related("symbol"):
        found.setdefault(gap.symbol.name, set()).update(range(gap.first_id, gap.last_id + 1))
    return found


def sent_gap_ids(exchange: RunningExchange) -> dict[str, set[int]]:
    """What open gaps name of the ids that were sent: trades that went by while nobody listened were not."""
    sent, named = exchange.sent, gap_ids()
    inside = {
        symbol: {each for each in ids if sent[symbol]["first_id"] <= each <= sent[symbol]["last_id"]}
        for symbol, ids in named.items()
        if symbol in sent
    }
    return {symbol: ids for symbol, ids in inside.items() if ids}
