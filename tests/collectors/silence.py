"""Two questions to Postgres whose answers never come: `python -m tests.collectors.silence`, with its cable pulled out.

It writes `asked` when the first is under way, and waits for a line on stdin before it asks the second; then how many
seconds it took until each was given up, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataprovider.settings")
SLEEP_SECONDS = 300


def given_up_after(seconds: int, began: float | None = None) -> float:
    """Ask for an answer in so many seconds; how long after `began` (default: now) the connection was given up."""
    from django.db import Error, connection

    began = began or time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [seconds])
    except Error:
        return time.monotonic() - began
    finally:
        connection.close()
    return 0.0


def main() -> None:
    from django.db import connection

    django.setup()
    with ThreadPoolExecutor(1) as threads, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        received = threads.submit(given_up_after, SLEEP_SECONDS)
        time.sleep(1)
        sys.stdout.write("asked\n")
        sys.stdout.flush()
        sys.stdin.readline()
        cut = time.monotonic()
        not_received = given_up_after(0, cut)
        sys.stdout.write(json.dumps({"not received": not_received, "received": received.result()}))


if __name__ == "__main__":
    main()
