"""Hosts behind another address have another budget: everything of theirs draws on it, and nothing on the first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from redis import Redis

from collectors.models import Gap, GapStatus
from dataprovider.clickhouse import ClickHouse
from dataprovider.config import ConfigError, load_config
from tests.fixtures_collectors import RunningCollectors
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

DEFAULT, OTHER = "dataprovider:weight:default", "dataprovider:weight:tokyo"


def test_a_host_with_another_egress_name_leaves_the_first_budget_alone(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    clickhouse: ClickHouse,
) -> None:
    redis = Redis.from_url(settings.CONFIG.redis_url)
    redis.delete(DEFAULT, OTHER)
    exchange = start_exchange(symbols=2, rate=200)
    collectors = start_collectors(exchange, workers=1, RECOVERY_WORKERS="1", EGRESS_NAME="tokyo")
    wait_until(lambda: collectors.total("stored") > 100, 30, "stored trades")
    exchange.fault("skip", symbol="BTCUSDT", count=5)
    wait_until(lambda: Gap.objects.filter(status=GapStatus.RECOVERED).exists(), 90, "the gap to be recovered")
    assert int(redis.hget(OTHER, "used") or 0) > 0
    assert not redis.exists(DEFAULT)
    redis.close()


@pytest.mark.parametrize("value", ["to kyo", "a:b", "x" * 65])
def test_a_name_that_cannot_be_one_is_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EGRESS_NAME: must be letters"):
        load_config({"EGRESS_NAME": value}, tmp_path)
