"""Recovery in this process, against the test stack and a simulated exchange: `recovery(exchange)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now
from redis import Redis

from collectors.models import Gap, GapCause, Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.decimals import to_count
from integrity.models import JobStatus, RecoveryJob
from integrity.recovery import queue
from integrity.recovery.gapplan import plan_gaps
from integrity.recovery.maketools import make_tools
from integrity.recovery.perform import Performer
from tests.fixtures_exchange import RunningExchange
from tests.integrity.rows import make_symbol

#: A trade as the table gives it: id, price, quantity, first and last trade id, time, maker.
Stored = tuple[int, ...]


class Recovery:
    """Recovery workers' work, done here step by step."""

    def __init__(self, exchange: RunningExchange, store: ClickHouse, home: Path, **changes: Any) -> None:
        self.exchange = exchange
        self.store = store
        self.config = settings.CONFIG.model_copy(
            update={
                "binance_rest_url": exchange.url,
                "binance_archive_url": exchange.url,
                "binance_archive_listing_url": f"{exchange.url}/listing",
                "dataprovider_home": home,
                **changes,
            }
        )
        self.tools = make_tools(self.config, lambda: False)
        self.performer = Performer(self.tools, lambda: False)

    def symbol(self, name: str = "BTCUSDT", **fields: Any) -> Symbol:
        """A contract that nobody collects now."""
        return Symbol.objects.filter(name=name).first() or make_symbol(name, **fields)

    def gap(self, first_id: int, last_id: int, symbol: str = "BTCUSDT", **fields: Any) -> Gap:
        """An open gap."""
        return Gap.objects.create(
            symbol=self.symbol(symbol), first_id=first_id, last_id=last_id, cause=GapCause.STREAM, **fields
        )

    def run(self) -> list[RecoveryJob]:
        """Plan what is open and perform every job that is due, each once; the jobs as they are then."""
        plan_gaps()
        done: list[int] = []
        while job := queue.claim("test"):
            assert job.pk not in done, f"{job} came twice: {job.reason}"
            done.append(job.pk)
            self.performer.perform(job)
        return [RecoveryJob.objects.get(pk=pk) for pk in done]

    def again(self) -> list[RecoveryJob]:
        """The same once more, whatever waits being due now."""
        self.tools.clock.forget()
        RecoveryJob.objects.filter(status=JobStatus.PENDING).update(next_attempt_at=Now())
        return self.run()

    def stored(self, symbol: str = "BTCUSDT") -> list[Stored]:
        """Every stored trade, by id, duplicates too."""
        found: list[Stored] = []
        following = 0
        while page := self.store.query("trades_from_id", symbol=symbol, from_id=following, limit=50_000):
            found.extend(tuple(int(value) for value in row) for row in page)
            following = found[-1][0] + 1
        return found

    def published(self, first_id: int, last_id: int, symbol: str = "BTCUSDT") -> list[Stored]:
        """What the exchange's REST has of these ids."""
        found: list[Stored] = []
        position = first_id
        while position <= last_id:
            page = self.exchange.get("/fapi/v1/aggTrades", symbol=symbol, fromId=position, limit=1000)
            if not page:
                break
            found.extend(
                (
                    row["a"],
                    to_count(row["p"]),
                    to_count(row["q"]),
                    row["f"],
                    row["l"],
                    row["T"],
                    int(row["m"]),
                )
                for row in page
                if row["a"] <= last_id
            )
            position = page[-1]["a"] + 1
        return found


@pytest.fixture
def recovery(transactional_db: None, clickhouse: ClickHouse, tmp_path: Path) -> Iterator[Callable[..., Recovery]]:
    """recovery(exchange, archive_give_up_days=3): recovery against it, with these settings."""
    redis = Redis.from_url(settings.CONFIG.redis_url)
    redis.flushdb()
    redis.close()

    made: list[Recovery] = []

    def make(exchange: RunningExchange, **changes: Any) -> Recovery:
        made.append(Recovery(exchange, clickhouse, tmp_path / "home", **changes))
        return made[-1]

    yield make
    for each in made:
        each.tools.close()
