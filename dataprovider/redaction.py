"""Striking secrets out of a text: passwords in URLs, keys in parameters, and what the settings hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from dataprovider.config import Config

STRUCK = "***"

_IN_A_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'\"]*):[^\s/@'\"]+@")
_PARAMETER = re.compile(r"(?i)((?:api(?:_|-|%5f)?key|token|password|passwd|secret|signature)=)[^\s&'\",;)]+")
_TELEGRAM = re.compile(r"/bot\d+:[A-Za-z0-9_-]+")
_API_KEY = re.compile(r"\bdp_[A-Za-z0-9_-]{20,}")
#: A secret that reads like a word would strike ordinary words out of the log; in its URL it is struck out all the same.
_LIKE_A_WORD = re.compile(r"[A-Za-z]{0,15}|\d{0,7}")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without what looks like a secret, and without `secrets`."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, STRUCK)
    if "://" in text:
        text = _IN_A_URL.sub(rf"\1:{STRUCK}@", text)
    if "=" in text:
        text = _PARAMETER.sub(rf"\1{STRUCK}", text)
    return _API_KEY.sub(STRUCK, _TELEGRAM.sub(f"/bot{STRUCK}", text))


def secrets_of(config: Config) -> tuple[str, ...]:
    """What must not be seen of these settings, each as it may appear."""
    found = {each for each in _secrets(config) if not _LIKE_A_WORD.fullmatch(each)}
    return tuple(sorted(found, key=len, reverse=True))


def _secrets(config: Config) -> Iterator[str]:
    yield config.secret_key
    yield config.clickhouse_password
    yield config.telegram_bot_token
    # Of many webhooks the path is all that keeps others from using it.
    yield urlsplit(config.alert_webhook_url).path.strip("/")
    for url in (config.database_url, config.redis_url, config.email_url):
        password = urlsplit(url).password or ""
        yield password
        yield unquote(password)
