"""One process at a time moves shards: an advisory lock of Postgres, gone with its session."""

from __future__ import annotations

import time

from django.db import connection

from dataprovider.clickhouse.moving import MoveRefused

#: Any number that nobody else uses as an advisory lock of this database.
LOCK = 7_324_811
#: A process that has just ended may still hold it for a moment (seconds): Postgres notices a little later.
PATIENCE_SECONDS = 2.0


class MoveLock:
    """The lock, on this thread's connection. Methods raise MoveRefused, and django.db.Error while Postgres is away."""

    def __init__(self) -> None:
        self._session: object = None

    def take(self) -> None:
        """Take it, or say that somebody has it."""
        with connection.cursor() as cursor:
            # A host that vanishes with it is noticed after half a minute; otherwise its system's two hours.
            cursor.execute(
                "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4"
            )
            until = time.monotonic() + PATIENCE_SECONDS
            while True:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
                if cursor.fetchone()[0]:
                    break
                if time.monotonic() > until:
                    raise MoveRefused("Somebody else is moving shards: wait for it, or stop it.")
                time.sleep(0.05)
        self._session = connection.connection

    def check(self) -> None:
        """Whether it is still held: it went with its session when Postgres was restarted."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if connection.connection is not self._session:
            raise MoveRefused("Postgres was away and another may move shards now: run the same again.")
