"""API keys: making, revoking and recognising them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from api.models import ApiKey, Scope

#: How long a process goes by what it last read of a key (seconds): so soon a revoked one is refused everywhere.
REMEMBERED_SECONDS = 3.0
MOST_REMEMBERED = 10_000
#: `last_used_at` is written at most so often.
USE_WRITTEN_EVERY = timedelta(minutes=1)
PREFIX_LENGTH = 11

_TOKEN = re.compile(r"dp_[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Caller:
    """A valid key, without its secret."""

    pk: int
    scope: str

    @property
    def may_control(self) -> bool:
        return self.scope == Scope.CONTROL


def make_key(name: str, scope: str) -> tuple[ApiKey, str]:
    """A new key and its token (256 random bits), which can never be read again."""
    token = f"dp_{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(name=name, scope=scope, prefix=token[:PREFIX_LENGTH], hash=_hash(token))
    return key, token


def token_of(headers: Mapping[str, str]) -> str | None:
    """The token of X-API-Key, Authorization: Bearer or X-MBX-APIKEY (names in lower case); None without any."""
    bearer = headers.get("authorization", "")
    if bearer[:7].lower() == "bearer ":
        return headers.get("x-api-key") or bearer[7:].strip()
    return headers.get("x-api-key") or headers.get("x-mbx-apikey") or None


class Keyring:
    """The keys as one process knows them; may be used from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, Caller | None]] = {}
        self._lock = threading.Lock()

    def find(self, token: str) -> Caller | None:
        """Whose token it is; None for none or a revoked one. Raises django.db.Error while Postgres is away."""
        if not _TOKEN.fullmatch(token):
            return None
        digest = _hash(token)
        until, caller = self._known.get(digest, (0.0, None))
        if self._clock() < until:
            return caller
        caller = _read(token[:PREFIX_LENGTH], digest)
        with self._lock:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = (self._clock() + REMEMBERED_SECONDS, caller)
        return caller


def _read(prefix: str, digest: str) -> Caller | None:
    for key in ApiKey.objects.filter(prefix=prefix, revoked_at=None):
        if hmac.compare_digest(key.hash, digest):
            now = timezone.now()
            unwritten = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_WRITTEN_EVERY)
            ApiKey.objects.filter(unwritten, pk=key.pk).update(last_used_at=now)
            return Caller(key.pk, key.scope)
    return None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
