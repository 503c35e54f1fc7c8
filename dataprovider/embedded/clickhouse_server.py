"""ClickHouse's own process: run as a file, it imports nothing of the project and nothing of Django.

    clickhouse_server.py CONFIG_FOLDER DATA_FOLDER

chdb-core is a whole ClickHouse inside a Python extension. It reads `config.xml` of the current folder, and listens as
long as the query that told it to listen is running: that query reads a pipe, and closing the pipe's other end is the
graceful stop. SIGTERM does that. The entry point is private to chdb-core, hence the pinned version.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from string import Template

#: On one machine with everything else, merges wait for those who wait for a trade.
NICENESS = 10

LISTEN = Template(
    "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; "
    "SELECT count() FROM file('/dev/fd/$reading', 'LineAsString', 'line String') FORMAT Null"
)


def main(config_folder: str, data_folder: str) -> int:
    """Serve until SIGTERM; 0 after a graceful stop, 1 with the reason as the last line of stderr."""
    os.nice(NICENESS)
    os.chdir(config_folder)
    reading, writing = os.pipe()
    stop_asked = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop_asked.set())
    listen = LISTEN.substitute(reading=reading)
    failures: list[str] = []

    def serve() -> None:
        try:
            from chdb import _chdb

            # Private, and so not in its stubs.
            _chdb.query(listen, "CSV", path=data_folder)  # type: ignore[attr-defined]
            if not stop_asked.is_set():
                # chdb has written the reason to stderr itself.
                failures.append("ClickHouse ended without being asked to.")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this process's last word
            failures.append(_first_line(error))
        finally:
            stop_asked.set()

    serving = threading.Thread(target=serve, name="clickhouse")
    serving.start()
    stop_asked.wait()
    os.close(writing)
    serving.join()
    if failures:
        sys.stderr.write(f"{failures[0]}\n")
        return 1
    return 0


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
