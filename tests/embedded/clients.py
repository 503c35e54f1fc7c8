"""The three services asked directly, by the variables a stack gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg
import redis
from clickhouse_driver import Client

Variables = Mapping[str, str]


def ask_postgres(variables: Variables, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """Run `query` and commit."""
    with psycopg.connect(variables["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def ask_valkey(variables: Variables, *command: str) -> Any:
    with redis.Redis.from_url(variables["REDIS_URL"], decode_responses=True) as client:
        return client.execute_command(*command)


def ask_clickhouse(variables: Variables, query: str, rows: list[tuple[Any, ...]] | None = None) -> Any:
    client = Client(
        variables["CLICKHOUSE_HOST"],
        int(variables["CLICKHOUSE_NATIVE_PORT"]),
        user=variables["CLICKHOUSE_USERNAME"],
        password=variables["CLICKHOUSE_PASSWORD"],
        database=variables["CLICKHOUSE_DATABASE"],
    )
    try:
        return client.execute(query, rows)
    finally:
        client.disconnect()


def write_everywhere(variables: Variables) -> None:
    """Leave one mark in each service."""
    ask_postgres(variables, "CREATE TABLE mark (value int)")
    ask_postgres(variables, "INSERT INTO mark VALUES (7)")
    ask_valkey(variables, "SET", "mark", "7")
    ask_clickhouse(variables, "CREATE TABLE mark (value UInt64) ENGINE = MergeTree ORDER BY value")
    ask_clickhouse(variables, "INSERT INTO mark (value) VALUES", [(7,)])


def read_everywhere(variables: Variables) -> dict[str, int]:
    """The marks that are there."""
    return {
        "postgres": ask_postgres(variables, "SELECT value FROM mark")[0][0],
        "valkey": int(ask_valkey(variables, "GET", "mark")),
        "clickhouse": ask_clickhouse(variables, "SELECT value FROM mark")[0][0],
    }


EVERYWHERE = {"postgres": 7, "valkey": 7, "clickhouse": 7}
