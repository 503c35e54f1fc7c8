"""The processes of recovery, as the supervisor starts them. Django is set up inside: nothing here needs it before."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from multiprocessing.connection import Connection

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
AWAY_SECONDS = 3.0


def recovery_worker(link: Connection, number: int) -> None:
    """Claims recovery jobs and performs them, one at a time."""
    stop = _begin(link, f"recovery {number}")
    from django.conf import settings
    from django.db import Error as DatabaseError
    from django.db import connection

    from integrity.recovery import queue
    from integrity.recovery.maketools import make_tools
    from integrity.recovery.perform import Performer

    performer = Performer(make_tools(settings.CONFIG, stop.is_set), stop.is_set)
    owner = f"{socket.gethostname()}:{os.getpid()} recovery {number}"
    away = False
    while not stop.is_set():
        try:
            job = queue.claim(owner)
            if job is not None:
                performer.perform(job)
        except DatabaseError as error:
            connection.close()
            if not away:
                logger.warning("Postgres is away, recovery waits: %s", _first_line(error))
            away = True
            stop.wait(AWAY_SECONDS)
        else:
            away = False
            if job is None:
                stop.wait(IDLE_SECONDS)
    _end()


def recovery_keeper(link: Connection) -> None:
    """Plans jobs, takes them from stalled workers, checks integrity: one such process of all hosts at a time."""
    stop = _begin(link, "keeper")
    from integrity.keeper import Keeper

    Keeper(f"{socket.gethostname()}:{os.getpid()} keeper", stop).run()
    _end()


def alert_watch(link: Connection, began: str) -> None:
    """Tells people when something needs one. `began` is the same for as long as the supervisor runs: a
    process that takes the place of a dead one has its duty at once."""
    stop = _begin(link, "alerts")
    from integrity.alerts.watch import AlertWatch

    AlertWatch(f"{socket.gethostname()}:{began} alerts", stop, began).run()
    _end()


class Ending(threading.Event):
    """Set when the process is to end. `orphaned`: nobody said so, its supervisor is gone."""

    orphaned = False


def _begin(link: Connection, name: str) -> Ending:
    """Set Django up; what is returned is set when the process is to end: by a signal, or by its supervisor's word or
    death."""
    import django

    stop = Ending()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # Ctrl-C reaches the whole group; the supervisor decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(link, stop), name="link", daemon=True).start()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataprovider.settings")
    django.setup()
    from django.conf import settings

    from dataprovider.logs import LogSettings, begin

    begin(name, LogSettings.from_config(settings.CONFIG))
    return stop


def _watch(link: Connection, stop: Ending) -> None:
    try:
        link.recv_bytes()
    except (EOFError, OSError):
        stop.orphaned = not stop.is_set()
    stop.set()


def _end() -> None:
    logging.shutdown()
    # Threads that wait for a service that hangs would hold up an ordinary exit.
    os._exit(0)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no answer"])[0]
