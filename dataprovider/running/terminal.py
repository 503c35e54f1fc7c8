"""What `up` and `demo` have in common: stopping by a signal, and the addresses they show."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dataprovider.running.farm import Farm

ADMIN_NAME = "admin"
ADMIN_PASSWORD_FILE = "admin_password"

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Ctrl-C, SIGTERM, or the terminal was closed."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, a stop signal raises Stopped; from then on further ones are ignored, so that the stop is orderly."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        ignore_signals()
        raise Stopped

    for number in _SIGNALS:
        signal.signal(number, stop)
    try:
        yield
    finally:
        ignore_signals()


def ignore_signals() -> None:
    """From now on stop signals change nothing: the stop is under way."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def links(farm: Farm, *, to_a_person: bool) -> dict[str, str]:
    """The addresses to show. The password itself goes only to a terminal; elsewhere (a log) its file is named."""
    path = farm.home / ADMIN_PASSWORD_FILE
    if not path.exists():
        login = "the administrators you made"
    elif to_a_person:
        login = f"{ADMIN_NAME} / {path.read_text().strip()}"
    else:
        login = f"{ADMIN_NAME}, password in {path}"
    return {
        "candles": f"{farm.url}/api/v1/data/klines/BTCUSDT?timeframe=1",
        "API": f"{farm.url}/api/v1/docs",
        "admin": f"{farm.url}/admin/",
        "login": login,
        "logs": str(farm.logs),
    }
