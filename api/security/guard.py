"""Keys and rate limits before anything is served: the decision, and the middleware that applies it to HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from redis import Redis

from api.security.keys import Caller, Keyring, token_of
from api.security.limits import PATIENCE_SECONDS, Count, RateLimit, address_to_count
from api.security.refusals import refused
from dataprovider.config import Config

logger = logging.getLogger(__name__)

#: What is counted and may need a key; pages, static files and the admin are not.
GUARDED = ("/api/", "/fapi/", "/udf/", "/metrics")
#: What needs no key even with REQUIRE_API_KEY: the documentation of how to send one.
OPEN_TO_ALL = ("/api/v1/docs", "/api/v1/openapi.json")
#: Nor are these counted: a busy client at the same address must not blind who watches.
NEVER_REFUSED = tuple(f"/api/v1/monitoring/{probe}" for probe in ("health", "live", "ready"))
#: Methods that change nothing.
SAFE = ("GET", "HEAD", "OPTIONS")
THREADS = 8


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request goes on (`status` 0) or is refused, who calls, and how often already."""

    status: int = 0
    error: str = ""
    message: str = ""
    caller: Caller | None = None
    count: Count | None = None


class Guard:
    """Decides for one process. Blocking: it asks Valkey, and Postgres for a key it has not seen for a moment."""

    def __init__(self, config: Config) -> None:
        self._require_key = config.require_api_key
        self._keyring = Keyring()
        redis = Redis.from_url(
            config.redis_url or "redis://127.0.0.1:1/0",
            socket_connect_timeout=PATIENCE_SECONDS,
            socket_timeout=PATIENCE_SECONDS,
        )
        self._limit = RateLimit(redis, config.rate_limit_per_minute)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="guard")

    def decide(self, address: str, token: str | None, *, needs_key: bool = True, changes: bool = False) -> Decision:
        """Count a request and look at its key.

        needs_key: whether REQUIRE_API_KEY holds for what is asked. changes: it is to change something; then whether
        somebody without a key may is for the operation to say (api.security.control).
        """
        needs_key = needs_key and self._require_key
        # The address first: keys cannot be tried out faster than the limit.
        count = self._limit.count(address_to_count(address))
        if count and count.exceeded:
            return _too_many(count)
        if token is None:
            if needs_key and not changes:
                return Decision(401, "API_KEY_REQUIRED", "An API key is needed: send it as X-API-Key.", count=count)
            return Decision(count=count)
        try:
            caller = self._keyring.find(token)
        except DatabaseError as error:
            logger.warning("API keys cannot be read: Postgres: %s", str(error).strip().partition("\n")[0])
            if needs_key or changes:
                message = "API keys cannot be checked now; try again in a moment."
                return Decision(503, "DATABASE_UNAVAILABLE", message, count=count)
            return Decision(count=count)
        if caller is None:
            return Decision(401, "INVALID_API_KEY", "The API key is not known here, or was revoked.", count=count)
        by_key = self._limit.count(f"key:{caller.pk}")
        if by_key and by_key.exceeded:
            return _too_many(by_key)
        if count and by_key and by_key.remaining < count.remaining:
            count = by_key
        return Decision(caller=caller, count=count)

    async def recognises(self, token: str) -> bool:
        """Whether a key that was good still is; nothing is counted. While Postgres is away it counts as good."""

        def asked() -> bool:
            close_old_connections()
            try:
                return self._keyring.find(token) is not None
            except DatabaseError:
                return True
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._threads, asked)

    async def decided(
        self, address: str, token: str | None, *, needs_key: bool = True, changes: bool = False
    ) -> Decision:
        """The same for coroutines."""

        def asked() -> Decision:
            close_old_connections()
            try:
                return self.decide(address, token, needs_key=needs_key, changes=changes)
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._threads, asked)


def _too_many(count: Count) -> Decision:
    message = f"More than {count.limit} requests in a minute; go on in {count.retry_after} s."
    return Decision(429, "RATE_LIMITED", message, count=count)


@sync_and_async_middleware
def keys_and_limits(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware that refuses wrong or missing keys and too many requests, and leaves `request.decision`."""
    guard = Guard(settings.CONFIG)

    def asked(request: HttpRequest) -> dict[str, Any]:
        return {
            "address": request.client_address,  # type: ignore[attr-defined]
            "token": token_of({name.lower(): value for name, value in request.headers.items()}),
            "needs_key": request.path not in OPEN_TO_ALL,
            "changes": request.path.startswith("/api/") and request.method not in SAFE,
        }

    def refusal(request: HttpRequest, decision: Decision) -> HttpResponse | None:
        request.decision = decision  # type: ignore[attr-defined]
        if not decision.status:
            return None
        response = refused(request.path, decision.status, decision.error, decision.message)
        if decision.status == 429 and decision.count:
            response["Retry-After"] = str(decision.count.retry_after)
        if decision.status == 401:
            response["WWW-Authenticate"] = "Bearer"
        return response

    def finished(response: Any, decision: Decision) -> Any:
        if decision.count:
            decision.count.write(response)
        return response

    if iscoroutinefunction(get_response):

        async def guarded(request: HttpRequest) -> Any:
            if not request.path.startswith(GUARDED) or request.path in NEVER_REFUSED:
                return await get_response(request)
            decision = await guard.decided(**asked(request))
            return finished(refusal(request, decision) or await get_response(request), decision)

        return guarded

    def guarded_sync(request: HttpRequest) -> Any:
        if not request.path.startswith(GUARDED) or request.path in NEVER_REFUSED:
            return get_response(request)
        decision = guard.decide(**asked(request))
        return finished(refusal(request, decision) or get_response(request), decision)

    return guarded_sync
