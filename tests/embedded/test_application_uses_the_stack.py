"""The test run's own stack serves Django, as an application would use it."""

from __future__ import annotations

import pytest
import redis
from clickhouse_driver import Client
from django.conf import settings
from django.db import connection

from dataprovider.embedded import ServiceStack


@pytest.mark.django_db
def test_django_uses_a_test_database_in_the_embedded_postgres(service_stack: ServiceStack) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), inet_server_port()")
        name, port = cursor.fetchone()
    # Each of several test processes has a database of its own.
    assert name.startswith("test_dataprovider")
    assert port == service_stack.services["postgres"].port


def test_settings_name_the_embedded_valkey() -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.ping()


def test_settings_name_the_embedded_clickhouse() -> None:
    config = settings.CONFIG
    client = Client(
        config.clickhouse_host,
        config.clickhouse_native_port,
        user=config.clickhouse_username,
        password=config.clickhouse_password,
        database=config.clickhouse_database,
    )
    assert client.execute("SELECT currentDatabase()") == [("trades",)]
    client.disconnect()
