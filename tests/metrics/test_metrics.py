"""/metrics: every figure under a name of the catalogue, also while services are away."""

from __future__ import annotations

import re

import pytest
import requests
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from api.metrics import catalogue
from collectors.binance.weight import Priority, WeightBudget
from dataprovider.clickhouse import ClickHouse
from integrity.models import IntegrityRun
from tests.api.conftest import Server, StartServer
from tests.api.test_health import AWAY
from tests.clickhouse.trades import Row, store
from tests.integrity.rows import make_job, make_symbol
from tests.security.test_guards import new_key
from tests.tickers.rows import carry, hold

pytestmark = pytest.mark.django_db(transaction=True)


def scraped(server: Server) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples by name and label values."""
    answer = server.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_all_processes_know_is_scraped_from_one(server: Server, clickhouse: ClickHouse, redis: Redis) -> None:
    make_job(make_symbol("BTCUSDT"), 5, 9)
    make_symbol("ETHUSDT", enabled=False)
    hold("BTCUSDT")
    carry(redis, "BTCUSDT")
    store(clickhouse, [Row(1), Row(2)])
    IntegrityRun.objects.create(started_at=timezone.now(), finished_at=timezone.now(), missing=5, duplicates=1)
    assert WeightBudget(redis, "default").try_acquire(40, Priority.LIVE) == 0
    found = scraped(server)
    worker = ("host:1:1-a", "0")
    assert found[("dataprovider_worker_lag_seconds", worker)] == 0.012
    assert found[("dataprovider_worker_storage_delay_seconds", worker)] == 0.64
    assert found[("dataprovider_worker_trades_per_second", worker)] == 5.5
    assert found[("dataprovider_worker_trades_received_total", worker)] == 0
    assert found[("dataprovider_symbols", ("collecting",))] == found[("dataprovider_symbols", ("paused",))] == 1
    assert found[("dataprovider_gaps", ("open",))] == 1
    assert found[("dataprovider_missing_ids", ())] == 5
    assert 0 < found[("dataprovider_oldest_gap_age_seconds", ())] < 60
    assert found[("dataprovider_recovery_jobs", ("pending",))] == 1
    assert 0 <= found[("dataprovider_integrity_check_age_seconds", ())] < 60
    assert (found[("dataprovider_integrity_missing_ids", ())], found[("dataprovider_integrity_duplicates", ())]) == (
        5,
        1,
    )
    assert found[("dataprovider_stored_trades", ())] == 2
    assert found[("dataprovider_exchange_weight_used", ())] == 40
    assert found[("dataprovider_exchange_ban_seconds", ())] == 0
    assert [found[("dataprovider_service_up", (name,))] for name in ("clickhouse", "postgres", "redis")] == [1, 1, 1]
    exported = {re.sub("_total$", "", name) for name, _ in found}
    assert exported == {metric.name for metric in catalogue.ALL}


def test_services_that_are_away_are_figures_too(start_server: StartServer) -> None:
    found = scraped(start_server(**AWAY))
    assert [found[("dataprovider_service_up", (name,))] for name in ("clickhouse", "postgres", "redis")] == [0, 0, 0]
    assert ("dataprovider_stored_trades", ()) not in found
    assert found[("dataprovider_disk_total_bytes", ())] > found[("dataprovider_disk_free_bytes", ())] > 0


def test_a_key_is_asked_for_where_keys_are_required(start_server: StartServer, redis: Redis) -> None:
    server = start_server(REQUIRE_API_KEY="true")
    assert server.get("/metrics").status_code == 401
    headers = {"Authorization": f"Bearer {new_key('read')}"}
    assert requests.get(f"{server.url}/metrics", headers=headers, timeout=10).status_code == 200
    assert server.get("/metricsandmore").status_code in (401, 404)


def test_names_keep_to_prometheus_conventions() -> None:
    names = [metric.name for metric in catalogue.ALL]
    assert len(set(names)) == len(names)
    for metric in catalogue.ALL:
        assert re.fullmatch(r"dataprovider_[a-z_]+", metric.name)
        assert not metric.name.endswith("_total")
        assert metric.meaning.endswith(".")
