"""The weight that each address used in this minute, counted as Binance counts. Nobody is refused for it here."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from redis import Redis
from redis.exceptions import RedisError

from api.security.limits import LEFT_ALONE_SECONDS, PATIENCE_SECONDS, address_to_count

logger = logging.getLogger(__name__)

#: A count outlives its minute by so much (seconds).
_KEPT_SECONDS = 120


class UsedWeight:
    """Weight by address and UTC minute, in Valkey for all web processes; this process's own while Valkey is away.

    May be used from many threads.
    """

    def __init__(self, redis_url: str, clock: Callable[[], float] = time.time) -> None:
        self._redis = Redis.from_url(
            redis_url, socket_connect_timeout=PATIENCE_SECONDS, socket_timeout=PATIENCE_SECONDS
        )
        self._clock = clock
        self._ask_again_at = 0.0
        self._minute = 0
        self._own: Counter[str] = Counter()

    def add(self, address: str, weight: int) -> int:
        """Count it and return what the address used in this minute. Blocks shortly, and never raises."""
        now, who = self._clock(), address_to_count(address)
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self._own = minute, Counter()
        self._own[who] += weight
        if now < self._ask_again_at:
            return self._own[who]
        key = f"dataprovider:fapi-weight:{minute}:{who}"
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.incrby(key, weight)
                pipeline.expire(key, _KEPT_SECONDS)
                used, _ = pipeline.execute()
        except RedisError as error:
            logger.debug("Weights are counted for this process alone: %s", error)
            self._ask_again_at = now + LEFT_ALONE_SECONDS
            return self._own[who]
        return int(used)
