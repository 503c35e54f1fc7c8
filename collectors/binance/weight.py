"""The REST weight of an egress address: one budget for all processes and hosts behind it, kept in Valkey/Redis.

The exchange counts weight per address and UTC clock minute, answers 429 beyond it and bans (418) who goes on. So nobody
asks without having acquired the weight first; while Valkey/Redis is away nobody asks at all. What is kept there, a ban
above all, outlives every process (the embedded one writes it to disk).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from collectors.backoff import Backoff
from collectors.binance.problems import Banned

logger = logging.getLogger(__name__)

#: exchangeInfo's REQUEST_WEIGHT a minute, until it was read.
DEFAULT_LIMIT = 2400
#: What live collection leaves: the worth of one aggTrades request, for what the count may have missed.
RESERVE = 20
#: How often who waits looks again (seconds): limits, pauses and bans change.
LOOK_AGAIN = 5.0
#: How often who waits asks whether to give up (seconds).
SLICE = 0.1


class Priority(StrEnum):
    """Who asks. At the turn of a minute those before go first, and those after leave them some of each minute."""

    LIVE = "live"
    GAP = "gap"
    BACKFILL = "backfill"


#: Thousandths of the limit: while there is work more than nine tenths are used.
_CEILINGS = {Priority.LIVE: 1000, Priority.GAP: 975, Priority.BACKFILL: 920}
#: How long after the turn of a minute each begins (seconds).
_BEGIN_AFTER = {Priority.LIVE: 0.0, Priority.GAP: 0.1, Priority.BACKFILL: 0.3}


@dataclass(frozen=True, slots=True)
class WeightState:
    """How things stand by the clock of Valkey/Redis (`now_ms`); times in ms (UTC), 0 for never."""

    used: int
    limit: int
    minute_ms: int
    paused_until_ms: int
    banned_until_ms: int
    now_ms: int


class WeightBudget:
    """The budget as one process sees it; may be used from many threads."""

    def __init__(self, redis: Redis, egress: str, clock: Callable[[], int] | None = None) -> None:
        """`egress` names the address requests come from: hosts that leave by one address share one budget.

        `clock` gives ms since 1970; without it the clock is that of Valkey/Redis, so that hosts agree.
        """
        self._key = f"dataprovider:weight:{egress}"
        self._clock = clock
        text = (files("collectors.binance") / "weight.lua").read_text(encoding="utf-8")
        self._script = redis.register_script(text)
        self._untold_ban = 0

    def try_acquire(self, weight: int, priority: Priority) -> float:
        """0.0: granted, and counted. Otherwise nothing is, and this many seconds later it is worth another try.

        Raises redis.exceptions.RedisError: then nothing may be asked.
        """
        return self._try(weight, priority)[0]

    def acquire(self, weight: int, priority: Priority, give_up: Callable[[], bool]) -> bool:
        """Wait until it is granted; False when `give_up()` says so first (asked ten times a second).

        Waits through pauses, and while Valkey/Redis is away. Raises Banned at a ban, which may last for days.
        """
        backoff = Backoff(first=0.5, most=10.0)
        while not give_up():
            try:
                wait, state = self._try(weight, priority)
            except RedisError as error:
                if not backoff.failures:
                    logger.warning("Without Valkey/Redis the exchange is not asked: %s", _first_line(error))
                wait = backoff.next_delay()
            else:
                backoff.reset()
                if not wait:
                    return True
                if state.banned_until_ms > state.now_ms:
                    raise Banned(state.banned_until_ms)
                begin = _BEGIN_AFTER[priority]
                wait = min(wait + begin * random.uniform(0.7, 1.3), LOOK_AGAIN)
            _sleep(wait, give_up)
        return False

    def observe(self, used: int, age: float = 0.0) -> None:
        """Take in what an answer says was used in this minute (its X-MBX-USED-WEIGHT-1M); corrects upwards only.

        `age`: how many seconds ago it was asked; an answer of the minute before is left out. Never raises.
        """
        self._tell("observe", max(0, used), max(0, round(age * 1000)))

    def pause(self, seconds: float) -> None:
        """A 429: nobody asks for so long. Never raises."""
        self._tell("pause", max(0, round(seconds * 1000)))

    def ban(self, until_ms: int) -> None:
        """A 418: nobody asks until then (ms, UTC), whoever restarts. Never raises: what could not be written down is
        before this process asks again."""
        self._untold_ban = max(self._untold_ban, until_ms)
        if self._tell("ban", until_ms):
            self._untold_ban = 0

    def set_limit(self, weight_per_minute: int) -> None:
        """What exchangeInfo says may be used in a minute; an absurd number is left out. Never raises."""
        if weight_per_minute > 0:
            self._tell("limit", weight_per_minute)

    def state(self) -> WeightState:
        """For gauges. Raises redis.exceptions.RedisError."""
        return _state(self._run("state"))

    def _try(self, weight: int, priority: Priority) -> tuple[float, WeightState]:
        if self._untold_ban:
            self._run("ban", self._untold_ban)
            self._untold_ban = 0
        answer = self._run("acquire", weight, _CEILINGS[priority], RESERVE)
        granted, wait_ms = int(answer[0]), int(answer[1])
        return 0.0 if granted else max(wait_ms, 1) / 1000, _state(answer)

    def _tell(self, what: str, *values: int) -> bool:
        try:
            self._run(what, *values)
        except RedisError as error:
            logger.warning("Valkey/Redis was not told of the exchange's weight (%s): %s", what, _first_line(error))
            return False
        return True

    def _run(self, what: str, *values: int) -> list[Any]:
        now = self._clock() if self._clock is not None else 0
        answer: list[Any] = self._script(keys=[self._key], args=[what, now, DEFAULT_LIMIT, *values])
        return answer


def patience(seconds: float, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """A `give_up` that says so from `seconds` from now on."""
    end = clock() + seconds
    return lambda: clock() >= end


def _state(answer: list[Any]) -> WeightState:
    used, limit, minute_ms, paused, banned, now = map(int, answer[2:8])
    return WeightState(used, limit, minute_ms, paused, banned, now)


def _sleep(seconds: float, give_up: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not give_up():
        time.sleep(min(SLICE, left))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
