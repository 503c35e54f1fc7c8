"""`manage.py prepare`: bring Postgres and ClickHouse up to date and make the first administrator."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand

from dataprovider.running.terminal import ADMIN_NAME, ADMIN_PASSWORD_FILE
from dataprovider.secrets import kept_secret


class Command(BaseCommand):
    requires_system_checks = []
    help = "Apply the migrations of Postgres and ClickHouse, and make the user 'admin' when there is no administrator."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, stdout=self.stdout)
        call_command("migrate_clickhouse", verbosity=0, stdout=self.stdout)
        users = get_user_model().objects
        if not users.filter(is_superuser=True).exists():
            path = settings.CONFIG.dataprovider_home / ADMIN_PASSWORD_FILE
            users.create_superuser(ADMIN_NAME, "", kept_secret(path, length=12))
            self.stdout.write(f"Made the administrator '{ADMIN_NAME}'; the password is in {path}.")
