"""`manage.py syncsymbols`: ask the exchange which contracts there are."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from collectors.binance.rest import ExchangeProblem, exchange_info
from collectors.directory import sync_symbols


class Command(BaseCommand):
    help = "Read the exchange's list of contracts into the database."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = sync_symbols(exchange_info(settings.CONFIG.binance_rest_url))
        except ExchangeProblem as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(
            f"{result.listed} contracts listed: {result.added} new, {result.changed} changed, "
            f"{result.delisted} no longer listed, {result.skipped} could not be read."
        )
