"""Rate limits: how many requests a minute an address or a key may make, counted in Valkey for all processes."""

from __future__ import annotations

import ipaddress
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from django.http import HttpResponseBase
from redis import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

#: After Valkey did not answer, requests are let through uncounted for so long before it is asked again (seconds).
LEFT_ALONE_SECONDS = 5.0
#: What one request waits for Valkey at most (seconds).
PATIENCE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Count:
    """Where somebody stands in this minute."""

    limit: int
    used: int
    seconds_left: float

    @property
    def exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def retry_after(self) -> int:
        """Whole seconds after which it is worth another try."""
        return max(1, math.ceil(self.seconds_left))

    def write(self, response: HttpResponseBase) -> None:
        """The usual headers; Reset is a time in seconds since 1970."""
        response["X-RateLimit-Limit"] = str(self.limit)
        response["X-RateLimit-Remaining"] = str(self.remaining)
        response["X-RateLimit-Reset"] = str(math.ceil(time.time() + self.seconds_left))


class RateLimit:
    """The limit as one process applies it; may be used from many threads."""

    def __init__(self, redis: Redis, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_minute` 0: nothing is counted."""
        self._script = redis.register_script((files("api.security") / "limits.lua").read_text(encoding="utf-8"))
        self._per_minute = per_minute
        self._clock = clock
        self._ask_again_at = 0.0

    def count(self, who: str) -> Count | None:
        """Count one request of `who`; None when nothing is counted, as while Valkey is away. Never raises."""
        if not self._per_minute or self._clock() < self._ask_again_at:
            return None
        try:
            used, left_ms = self._script(keys=[f"dataprovider:limit:{who}"])
        except RedisError as error:
            if not self._ask_again_at:
                logger.warning("Requests are not counted while Valkey is away: %s", type(error).__name__)
            self._ask_again_at = self._clock() + LEFT_ALONE_SECONDS
            return None
        if self._ask_again_at:
            logger.info("Valkey is back, requests are counted again.")
            self._ask_again_at = 0.0
        return Count(self._per_minute, int(used), int(left_ms) / 1000)


def address_to_count(address: str) -> str:
    """Whom an address is counted as: an IPv6 host has a whole /64 to call from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "ip:unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return f"ip:{ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"ip:{getattr(parsed, 'ipv4_mapped', None) or parsed}"
