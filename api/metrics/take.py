"""Taking every figure of the catalogue at one moment, and writing them as Prometheus reads them."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db.models import Count, F, Min, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis import Redis

from api.apps import ApiConfig
from api.metrics import catalogue as names
from api.system import collection, stats
from api.tickers.answers import Known
from api.tickers.book import Book, read_book
from api.tickers.state import State
from collectors.binance.weight import WeightState
from collectors.models import UNFINISHED, Gap
from dataprovider.config import Config
from dataprovider.heartbeat import WorkerStatus, read_workers
from integrity.models import IntegrityRun, JobStatus, RecoveryJob

#: One figure: its metric, the values of its labels, its value.
Sample = tuple[names.Metric, tuple[str, ...], float]

_OF_A_WORKER = (
    (names.WORKER_SYMBOLS, "symbols", 1),
    (names.WORKER_SUBSCRIBED, "subscribed", 1),
    (names.WORKER_QUIET, "quiet_symbols", 1),
    (names.WORKER_CONNECTIONS, "connections", 1),
    (names.WORKER_RECEIVED, "received", 1),
    (names.WORKER_STORED, "stored", 1),
    (names.WORKER_DUPLICATES, "duplicates", 1),
    (names.WORKER_DEAD, "dead_letters", 1),
    (names.WORKER_GAPS, "gaps", 1),
    (names.WORKER_RECONNECTS, "reconnects", 1),
    (names.WORKER_BUFFERED, "buffered_rows", 1),
    (names.WORKER_SPOOLED, "spooled_batches", 1),
    (names.WORKER_RATE, "trades_per_s", 1),
    (names.WORKER_LAG, "lag_ms", 1000),
    (names.WORKER_DELAY, "storage_delay_ms", 1000),
)


async def take(app: ApiConfig, config: Config) -> bytes:
    """The text that Prometheus scrapes. What a service that is away knows is left out, and its `up` is 0."""
    ask = app.sources
    store, facts, workers, weight = await asyncio.gather(
        ask.clickhouse(stats.clickhouse), ask.postgres(read_facts), ask.redis(read_workers), ask.redis(_weight)
    )
    samples = [
        *_up(clickhouse=store, postgres=facts, redis=workers),
        *(_of_workers(workers) if workers is not None else ()),
        *(_of_facts(facts, workers, config) if facts else ()),
        *(_of_store(store) if store else ()),
        *(_of_weight(weight) if weight else ()),
        *_of_this(app, config.dataprovider_home),
    ]
    return text(samples)


def read_facts() -> dict[str, Any]:
    """What Postgres knows. Raises django.db.Error."""
    gaps = Gap.objects.filter(status__in=UNFINISHED).order_by()
    sums = gaps.aggregate(ids=Sum(F("last_id") - F("first_id") + 1), oldest=Min("opened_at"))
    return {
        "book": read_book(),
        "gaps": dict(gaps.values_list("status").annotate(Count("id"))),
        "missing": sums["ids"] or 0,
        "oldest": sums["oldest"],
        "jobs": dict(RecoveryJob.objects.order_by().values_list("status").annotate(Count("id"))),
        "run": IntegrityRun.objects.filter(finished_at__isnull=False).order_by("-finished_at").first(),
    }


def text(samples: list[Sample]) -> bytes:
    """The samples in Prometheus' text format, by the order of the catalogue."""
    registry = CollectorRegistry()
    registry.register(_Taken(samples))
    return generate_latest(registry)


class _Taken:
    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        by_name: dict[str, list[Sample]] = {}
        for sample in self._samples:
            by_name.setdefault(sample[0].name, []).append(sample)
        for metric in names.ALL:
            found = by_name.get(metric.name)
            if found:
                kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                family = kind(metric.name, metric.meaning, labels=list(metric.labels))
                for _, labels, value in found:
                    family.add_metric(list(labels), value)
                yield family


def _up(**services: object) -> Iterator[Sample]:
    for name, answer in services.items():
        yield names.UP, (name,), float(answer is not None)


def _of_workers(workers: list[WorkerStatus]) -> Iterator[Sample]:
    yield names.WORKERS, (), len(workers)
    yield names.SHARDS_HELD, (), len({shard for worker in workers for shard in worker.shards})
    for worker in workers:
        for metric, attribute, divisor in _OF_A_WORKER:
            yield metric, (worker.owner, str(worker.worker)), getattr(worker, attribute) / divisor


def _of_facts(facts: dict[str, Any], workers: list[WorkerStatus] | None, config: Config) -> Iterator[Sample]:
    book: Book = facts["book"]
    known = Known(book, {}, workers, config.load_only_tickers)
    states = Counter(known.state(name) for name in book.symbols)
    for state in State:
        yield names.SYMBOLS, (state.value,), states[state]
    for status in UNFINISHED:
        yield names.GAPS, (str(status),), facts["gaps"].get(status, 0)
    yield names.MISSING, (), facts["missing"]
    yield names.OLDEST_GAP, (), (timezone.now() - facts["oldest"]).total_seconds() if facts["oldest"] else 0.0
    for job_status in JobStatus:
        yield names.JOBS, (job_status.value,), facts["jobs"].get(job_status, 0)
    run: IntegrityRun | None = facts["run"]
    if run is not None and run.finished_at is not None:
        yield names.CHECKED, (), (timezone.now() - run.finished_at).total_seconds()
        yield names.CHECK_MISSING, (), run.missing
        yield names.CHECK_DUPLICATES, (), run.duplicates


def _of_store(store: dict[str, Any]) -> Iterator[Sample]:
    yield names.ROWS, (), store["rows"]
    yield names.STORED_BYTES, (), store["bytes_on_disk"]
    yield names.PARTS, (), store["parts"]


def _weight(redis: Redis) -> WeightState:
    return collection.read_weight(redis)


def _of_weight(state: WeightState) -> Iterator[Sample]:
    yield names.WEIGHT_USED, (), state.used
    yield names.WEIGHT_LIMIT, (), state.limit
    until = max(state.paused_until_ms, state.banned_until_ms)
    yield names.BANNED, (), max(0, until - state.now_ms) / 1000


def _of_this(app: ApiConfig, home: Path) -> Iterator[Sample]:
    folder = home.resolve()
    while not folder.exists():
        folder = folder.parent
    disk = shutil.disk_usage(folder)
    yield names.DISK_FREE, (), disk.free
    yield names.DISK_TOTAL, (), disk.total
    yield names.WEBSOCKETS, (), len(app.connections)
    yield names.UPTIME, (), time.monotonic() - app.started
