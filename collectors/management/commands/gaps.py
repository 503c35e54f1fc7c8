"""`manage.py gaps`: what is known to be missing."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from collectors.models import UNFINISHED, Gap, Symbol


class Command(BaseCommand):
    requires_system_checks = []
    help = "List the gaps that are not closed, oldest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbols", nargs="*", metavar="SYMBOL", help="only these symbols")
        parser.add_argument("--json", action="store_true", help="one JSON array instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        gaps = Gap.objects.filter(status__in=UNFINISHED).select_related("symbol").order_by("opened_at", "id")
        if options["symbols"]:
            names = {name.upper() for name in options["symbols"]}
            unknown = names - set(Symbol.objects.filter(name__in=names).values_list("name", flat=True))
            if unknown:
                raise CommandError(f"There is no symbol {', '.join(sorted(unknown))} here.")
            gaps = gaps.filter(symbol__name__in=names)
        if options["json"]:
            rows = [
                {
                    "symbol": gap.symbol.name,
                    "first_id": gap.first_id,
                    "last_id": gap.last_id,
                    "cause": gap.cause,
                    "status": gap.status,
                }
                for gap in gaps
            ]
            self.stdout.write(json.dumps(rows, ensure_ascii=False))
            return
        for gap in gaps:
            opened = f"{gap.opened_at:%Y-%m-%d %H:%M:%S} UTC"
            self.stdout.write(
                f"{gap.symbol.name} {gap.first_id}–{gap.last_id} ({gap.size} ids) {gap.status}, {opened}: "
                f"{gap.get_cause_display()}"
            )
        if not gaps:
            self.stdout.write("No gap is open.")
