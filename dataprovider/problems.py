"""What went wrong, in one sentence that says what to do: the last stop of an error on its way to a user."""

from __future__ import annotations

import errno

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError, ProgrammingError
from redis.exceptions import ConnectionError as RedisConnectionError

from dataprovider.clickhouse import ClickHouseError
from dataprovider.config import ConfigError
from dataprovider.embedded.problems import ServiceProblem


def one_sentence(error: BaseException) -> str | None:
    """The sentence for an error whose cause is outside the program; None for anything else (a defect of ours)."""
    if isinstance(error, ConfigError):
        return f"Settings are wrong, nothing was started:\n{error}"
    if isinstance(error, ProgrammingError) and "does not exist" in str(error):
        return "The tables are not there yet, or not all of them: run `manage.py prepare`."
    if isinstance(error, OperationalError):
        if not settings.CONFIG.database_url:
            return (
                "No Postgres is known here: `manage.py runservices`, `up` or `demo` start one (a demo's is found with "
                "DATAPROVIDER_HOME=var/demo while it runs), or set DATABASE_URL."
            )
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
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full: free some space and start again; nothing that was acknowledged is lost."
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.filename} cannot be used ({error.strerror}): choose another folder with "
            "DATAPROVIDER_HOME, or change its owner."
        )
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
