"""The farm with its recovery, as end-to-end tests start it and wait for it."""

from __future__ import annotations

from collections.abc import Callable

from collectors.models import UNFINISHED, Gap
from dataprovider.clickhouse import ClickHouse
from tests.fixtures_collectors import RunningCollectors, duplicated_ids, missing_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]

RECOVERING = {"RECOVERY_WORKERS": "2", "INTEGRITY_INTERVAL": "20"}


def started(
    start_exchange: StartExchange, start_collectors: StartCollectors, *, symbols: int, rate: int, **options: object
) -> tuple[RunningExchange, RunningCollectors]:
    """A market that opens when every symbol is subscribed, and has had some thousand trades since."""
    exchange = start_exchange(symbols=symbols, rate=rate, paused=True, **options)
    collectors = start_collectors(exchange, **RECOVERING)
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("stored") > rate, 30, "a second's trades in the table")
    return exchange, collectors


def wait_until_whole(exchange: RunningExchange, clickhouse: ClickHouse, seconds: float = 90) -> None:
    """Everything that was sent is stored, once; no gap is open."""
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, seconds, "everything to be stored", every=0.5)
    wait_until(lambda: not Gap.objects.filter(status__in=UNFINISHED).exists(), 30, "every gap to be closed")
    twice = duplicated_ids(clickhouse, list(exchange.sent))
    assert not twice, f"stored twice: {twice}"
