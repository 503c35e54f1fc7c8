"""`manage.py runexchange`: start the exchange simulator and keep it running until a signal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dataprovider.simulator.commandline import HELP, add_arguments, serve


class Command(BaseCommand):
    help = HELP
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **given: Any) -> None:
        status = serve(given)
        if status:
            raise SystemExit(status)
