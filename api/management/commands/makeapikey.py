"""`manage.py makeapikey`: make an API key and show it once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from api.models import Scope
from api.security.keys import make_key


class Command(BaseCommand):
    requires_system_checks = []
    help = "Make an API key. Its token is written once, alone on a line, and kept nowhere."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="who or what will use it")
        parser.add_argument("--scope", choices=Scope.values, default=Scope.READ.value)

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"].strip()
        if not 0 < len(name) <= 100:
            raise CommandError("The name must have 1 to 100 characters.")
        _, token = make_key(name, options["scope"])
        self.stdout.write(token)
