"""How every process logs: one line an event, as text or as JSON, to standard error or to a rotating file of its own.

No line has a secret in it: what URLs, keys and the settings hold of those is struck out, in tracebacks too.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from dataprovider.config import Config
from dataprovider.redaction import redacted, secrets_of

#: Warnings of the first two carry tracebacks; what they say arrives as ClickHouseUnavailable, or as a refusal with 400.
#: The last writes whole addresses, of which that of Telegram's bot is a secret.
QUIET = ("clickhouse_driver", "django.security.DisallowedHost", "urllib3")

#: What somebody sends may be in a message, of any length; of a longer one only so much is written (characters).
LONGEST_MESSAGE = 2_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What LOG_FORMAT and its like say. `folder` is None for standard error."""

    as_json: bool = False
    debug: bool = False
    folder: Path | None = None
    max_bytes: int = 10_000_000
    old_files: int = 5
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_config(cls, config: Config) -> LogSettings:
        """Those of the checked settings."""
        return cls(
            as_json=config.log_format == "json",
            debug=config.enable_debug_logging,
            folder=config.logs_dir if config.log_to == "files" else None,
            max_bytes=config.log_max_bytes,
            old_files=config.log_old_files,
            secrets=secrets_of(config),
        )


class _Lines(logging.Formatter):
    """One line an event. `process` is what the process is called, such as "worker 0"."""

    def __init__(self, process: str, settings: LogSettings) -> None:
        super().__init__()
        self._process = process
        self._settings = settings

    def format(self, record: logging.LogRecord) -> str:
        secrets = self._settings.secrets
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = _bounded(redacted(record.getMessage(), secrets))
        trace = self.formatException(record.exc_info) if record.exc_info else record.exc_text or ""
        trace = redacted(trace, secrets)
        if self._settings.as_json:
            event = {
                "time": time,
                "level": record.levelname,
                "logger": record.name,
                "process": self._process,
                "pid": record.process,
                "message": message,
            }
            return json.dumps({**event, "exception": trace} if trace else event)
        line = f"{time} {record.levelname} {self._process} {record.name}: {message}"
        return _CONTROL.sub(_escaped, f"{line}\n{trace}" if trace else line)


def _bounded(message: str) -> str:
    more = len(message) - LONGEST_MESSAGE
    return message if more <= 0 else f"{message[:LONGEST_MESSAGE]} … (and {more:,} characters)"


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class _OwnFile(RotatingFileHandler):
    """`<name>.log`, or `<name>-2.log` and so on while another process has that: no two write and rotate one file."""

    def __init__(self, folder: Path, name: str, settings: LogSettings) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock_file, path = _claim(folder, name)
        self._complained = False
        super().__init__(
            path,
            maxBytes=settings.max_bytes,
            backupCount=settings.old_files,
            encoding="utf-8",
            errors="backslashreplace",
        )

    def close(self) -> None:
        super().close()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not self._complained:
            self._complained = True
            sys.stderr.write(f"{self.baseFilename} cannot be written: {sys.exc_info()[1]}\n")


def _claim(folder: Path, name: str) -> tuple[int, Path]:
    """The first free name, and the lock (a file descriptor) that keeps it until the process ends."""
    for number in count(1):
        own = name if number == 1 else f"{name}-{number}"
        lock = os.open(folder / f".{own}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return lock, folder / f"{own}.log"
    raise AssertionError("unreachable")


def begin(process: str, settings: LogSettings) -> None:
    """From here on this process logs under the name `process`, what nobody catches too.

    Raises ImproperlyConfigured when LOGS_DIR cannot be used.
    """
    _log_to(process, settings)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _log_to(process: str, settings: LogSettings) -> None:
    root = logging.getLogger()
    for old in [each for each in root.handlers if type(each) in (logging.StreamHandler, _OwnFile)]:
        root.removeHandler(old)
        old.close()
    handler: logging.Handler = logging.StreamHandler()
    if settings.folder is not None:
        try:
            handler = _OwnFile(settings.folder, re.sub(r"\W+", "-", process), settings)
        except OSError as error:
            reason = f"LOGS_DIR: {settings.folder} cannot be written ({error.strerror})"
            raise ImproperlyConfigured(f"{reason}: choose another folder, or change its owner.") from error
    handler.setFormatter(_Lines(process, settings))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if settings.debug else logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def configure(logging_settings: Mapping[str, Any]) -> None:
    """Django's LOGGING_CONFIG: to standard error, until a process that runs for long says its name by `begin`."""
    settings: LogSettings = logging_settings["settings"]
    process = sys.argv[1] if Path(sys.argv[0]).name == "manage.py" and len(sys.argv) > 1 else "dataprovider"
    _log_to(process, replace(settings, folder=None))


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("dataprovider").critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not issubclass(arguments.exc_type, SystemExit):
        _uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
