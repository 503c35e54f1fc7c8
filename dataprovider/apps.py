"""The ground the other apps stand on: settings, ClickHouse, embedded services, the exchange simulator."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

#: A session that does nothing inside a transaction for so long (seconds) is ended by Postgres: its host was stopped or
#: is cut off, and others wait for the rows it has locked.
IDLE_IN_TRANSACTION_SECONDS = 15


class DataproviderConfig(AppConfig):
    name = "dataprovider"
    verbose_name = "DataProvider"

    def ready(self) -> None:
        connection_created.connect(_bound)


def _bound(connection: BaseDatabaseWrapper, **_: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = %s", [f"{IDLE_IN_TRANSACTION_SECONDS}s"])
