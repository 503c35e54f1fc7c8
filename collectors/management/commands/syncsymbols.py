"""`manage.py syncsymbols`: ask the exchange which contracts there are."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from redis import Redis

from collectors.binance.rest import ExchangeProblem, Rest
from collectors.binance.weight import Priority, WeightBudget, patience
from collectors.directory import sync_symbols

#: How long a person waits for a turn (seconds).
PATIENCE = 20.0


class Command(BaseCommand):
    requires_system_checks = []
    help = "Read the exchange's list of contracts into the database."

    def handle(self, *args: Any, **options: Any) -> None:
        config = settings.CONFIG
        redis = Redis.from_url(settings.REDIS_URL, socket_timeout=2.0, socket_connect_timeout=2.0)
        rest = Rest(config.binance_rest_url, WeightBudget(redis, config.egress_name), Priority.LIVE, patience(PATIENCE))
        try:
            result = sync_symbols(rest.exchange_info())
        except ExchangeProblem as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(
            f"{result.listed} contracts listed: {result.added} new, {result.changed} changed, "
            f"{result.delisted} no longer listed, {result.skipped} could not be read."
        )
