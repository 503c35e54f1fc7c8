"""What went wrong, in one sentence that says what to do: the last stop of an error on its way to a user."""

from __future__ import annotations

import errno

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

from dataprovider.clickhouse import ClickHouseError
from dataprovider.config import ConfigError
from dataprovider.embedded.problems import ServiceProblem


def one_sentence(error: BaseException) -> str | None:
    """The sentence for an error whose cause is outside the program; None for anything else (a defect of ours)."""
    if isinstance(error, ConfigError):
        return f"Settings are wrong, nothing was started:\n{error}"
    if isinstance(error, OperationalError):
        return (
            "Postgres does not answer: start it (`manage.py runservices` starts one of its own), or set DATABASE_URL. "
            f"It said: {_first_line(error)}"
        )
    if isinstance(error, RedisConnectionError):
        return (
            "Valkey/Redis does not answer: start it (`manage.py runservices` starts one of its own), or set REDIS_URL."
        )
    if isinstance(error, ClickHouseError | ServiceProblem | ImproperlyConfigured):
        return str(error)
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename} cannot be written: choose another folder with DATAPROVIDER_HOME, or change its owner."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full: free some space and start again; nothing that was acknowledged is lost."
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
