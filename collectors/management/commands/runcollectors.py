"""`manage.py runcollectors`: collect live trades until told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from collectors.binance.rest import Rest
from collectors.binance.weight import Priority, WeightBudget, patience
from collectors.books import Books
from collectors.directory import sync_symbols, unlisted, wanted_symbols
from collectors.leases import Leases, owner_name
from collectors.messages import WorkerSettings
from collectors.sideprocess import SideProcess
from collectors.supervisor import Supervisor
from dataprovider.clickhouse import Address
from dataprovider.config import Config
from dataprovider.logs import LogSettings, begin
from dataprovider.numbers import workers, workers_or_none

logger = logging.getLogger(__name__)

#: How long the list of contracts may wait for its weight (seconds), before that counts as a failure.
SYNC_PATIENCE = 60.0


class Command(BaseCommand):
    requires_system_checks = []
    help = "Collect live trades: a supervisor and its workers. SIGTERM or Ctrl-C drains and stops."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=workers, help="processes that read streams (COLLECTOR_WORKERS)")
        parser.add_argument(
            "--recovery-workers",
            type=workers_or_none,
            help="processes that fetch what is missing; 0: none (RECOVERY_WORKERS)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        config: Config = settings.CONFIG
        begin("collectors", LogSettings.from_config(config))
        count = options["workers"] or config.collector_workers
        leases = Leases(owner_name())
        leases.join(count)
        connection.close()
        # The heartbeat is written between two rounds: it may hold them up for a second, and is not tried again.
        redis = Redis.from_url(
            config.redis_url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
        )
        budget = WeightBudget(redis, config.egress_name)
        said: list[str] = []
        supervisor = Supervisor(
            leases.owner,
            Books(leases, lambda: wanted_symbols(config.load_only_tickers)),
            [worker_settings(config, leases.owner, number, count) for number in range(count)],
            lambda: _sync(config, budget, said),
            redis,
            side_processes=side_processes(config, options["recovery_workers"]),
            statistics_seconds=config.system_stats_interval_seconds,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop())
        logger.info("Collecting begins with %d workers as %s.", count, leases.owner)
        status = supervisor.run()
        logger.info("Collecting ended with status %d.", status)
        logging.shutdown()
        sys.stdout.flush()
        if supervisor.hangs:
            os._exit(status)
        sys.exit(status)


def side_processes(config: Config, recovery_workers: int | None) -> list[SideProcess]:
    """What the apps above this one have to run beside the stream workers: they say it by a method of this name."""
    count = config.recovery_workers if recovery_workers is None else recovery_workers
    found: list[SideProcess] = []
    for app in apps.get_app_configs():
        wanted = getattr(app, "side_processes", None)
        if wanted is not None:
            found += wanted(count)
    return found


def worker_settings(config: Config, owner: str, number: int, count: int) -> WorkerSettings:
    """What worker `number` of `count` is born with."""
    return WorkerSettings(
        owner=owner,
        worker=number,
        store=Address.of_nodes(config),
        redis_url=config.redis_url,
        egress=config.egress_name,
        rest_url=config.binance_rest_url,
        stream_url=config.binance_stream_url,
        home=config.dataprovider_home,
        buffer_max_rows=config.buffer_max_rows,
        spool_max_bytes=config.spool_max_bytes // count,
        symbols_per_connection=config.stream_symbols_per_connection,
        # 300 attempts in 5 minutes and IP are allowed: all workers together make at most 40 at once and 240 more.
        connect_interval=count / 0.8,
        connect_burst=max(1, 40 // count),
        logs=LogSettings.from_config(config),
    )


def _sync(config: Config, budget: WeightBudget, said: list[str]) -> None:
    """Read the exchange's list; names in LOAD_ONLY_TICKERS that it lacks are said when they are others than `said`."""
    # A wait that does not end is to be seen as a problem, and tried again.
    rest = Rest(config.binance_rest_url, budget, Priority.LIVE, patience(SYNC_PATIENCE))
    try:
        sync_symbols(rest.exchange_info())
        names = unlisted(config.load_only_tickers)
        if names and names != said:
            logger.warning("LOAD_ONLY_TICKERS names what the exchange does not list: %s.", ", ".join(names))
        said[:] = names
    finally:
        # This runs in a thread of its own, whose connection nobody else would close.
        connection.close()
