"""The tools of recovery, from the settings."""

from __future__ import annotations

from collections.abc import Callable

import requests
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from collectors.binance.archive import Archives
from collectors.binance.clock import ExchangeClock
from collectors.binance.rest import Rest
from collectors.binance.weight import Priority, WeightBudget
from dataprovider.clickhouse import Address, ClickHouse
from dataprovider.config import Config
from integrity.recovery.tools import Tools

HOUR_MS = 3_600_000


def make_tools(config: Config, give_up: Callable[[], bool]) -> Tools:
    """For one thread (the store may be used by more); connections are made on first use.

    `give_up` ends what waits for the exchange's clock.
    """
    redis = Redis.from_url(
        config.redis_url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0)
    )
    budget = WeightBudget(redis, config.egress_name)

    session = requests.Session()
    store = ClickHouse(Address.of_nodes(config), pool_size=2, timeout=120.0)

    def rest(priority: Priority, stop: Callable[[], bool]) -> Rest:
        return Rest(config.binance_rest_url, budget, priority, stop, session)

    def close() -> None:
        store.close()
        session.close()
        redis.close()

    return Tools(
        store=store,
        rest=rest,
        archives=Archives(config.binance_archive_url, config.binance_archive_listing_url, session),
        clock=ExchangeClock(rest(Priority.GAP, give_up)),
        folder=config.dataprovider_home / "downloads",
        look_back_ms=config.binance_rest_lookback_hours * HOUR_MS,
        give_up_days=config.archive_give_up_days,
        closing=close,
        only=config.load_only_tickers,
    )
