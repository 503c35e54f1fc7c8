"""`manage.py migrate_clickhouse`: bring ClickHouse's tables up to date."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dataprovider.clickhouse import Address, migrate


class Command(BaseCommand):
    help = "Make ClickHouse's database and tables, or bring them up to date."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        nodes = Address.of_nodes(settings.CONFIG)
        if not nodes[0].host:
            raise CommandError(
                "No ClickHouse is known: start one (`manage.py runservices` starts one of its own), "
                "or set CLICKHOUSE_HOST."
            )
        away: list[Address] = []
        applied = migrate(nodes, away=away)
        for node in away:
            self.stderr.write(f"ClickHouse at {node} does not answer and is left out: run this again when it does.")
        for name in applied:
            self.stdout.write(f"applied {name}")
        if not applied:
            where = ", ".join(map(str, nodes))
            self.stdout.write(f"ClickHouse at {where}, database {nodes[0].database}: nothing to apply.")
