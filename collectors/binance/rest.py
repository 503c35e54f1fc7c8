"""The exchange's REST interface, as far as collection and recovery need it.

Every request waits for its weight first, and every answer says what was used. Weights and error codes: Binance's
documentation of USDⓈ-M futures (market data; error codes).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import orjson
import requests

from collectors.binance.frames import MAX_TIME, MIN_TIME
from collectors.binance.problems import (
    Banned,
    Blocked,
    ExchangeProblem,
    GaveUp,
    RateLimited,
    TooOld,
    UnknownContract,
    Unreachable,
)
from collectors.binance.rows import SenselessRow, trade_columns
from collectors.binance.weight import Priority, WeightBudget
from collectors.binance.wholebody import BodyUnusable, whole_body
from dataprovider.clickhouse import TradeColumns

__all__ = [
    "PAGE",
    "Banned",
    "Blocked",
    "ExchangeProblem",
    "GaveUp",
    "RateLimited",
    "Rest",
    "TooOld",
    "UnknownContract",
    "Unreachable",
]

#: To connect, and between two pieces of an answer (seconds).
TIMEOUT = (5.0, 20.0)
#: The longest answer (exchangeInfo) has 2 MB; and how long one may take as a whole (seconds).
MOST_BYTES = 32_000_000
LONGEST_S = 60.0
#: The exchange has allowed 2400 a minute for years; another limit is believed within these.
LEAST_LIMIT, MOST_LIMIT = 100, 1_000_000
#: The most trades one request brings.
PAGE = 1000
#: Two times of one request must be closer than this (ms).
HOUR_MS = 3_600_000
#: A 429 without Retry-After: until the minute has certainly turned (seconds).
DEFAULT_PAUSE = 60.0
#: A 418 that does not say until when: the shortest ban there is; and the longest that is believed (seconds).
SHORTEST_BAN, LONGEST_BAN = 120.0, 7 * 86_400.0
#: The longest pause that is believed (seconds).
LONGEST_PAUSE = 3_600.0

_USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")


def never() -> bool:
    """A `give_up` that waits for ever."""
    return False


class Rest:
    """One client; every method raises ExchangeProblem. For one thread at a time."""

    def __init__(
        self,
        base_url: str,
        budget: WeightBudget,
        priority: Priority,
        give_up: Callable[[], bool] = never,
        session: requests.Session | None = None,
    ) -> None:
        """Requests wait for the `budget` under `priority`; `give_up`, asked often while waiting, ends that (GaveUp).

        `session`: connections to share with other clients of the same thread.
        """
        self._base_url = base_url
        self._budget = budget
        self._priority = priority
        self._give_up = give_up
        self._session = session or requests.Session()

    def exchange_info(self) -> list[dict[str, Any]]:
        """Every contract the exchange lists; tells the budget the limit. GET /fapi/v1/exchangeInfo, weight 1."""
        answer = self._get("/fapi/v1/exchangeInfo", 1)
        try:
            symbols: list[dict[str, Any]] = answer["symbols"]
            if not isinstance(symbols, list):
                raise self._not_the_exchange()
            for limit in answer.get("rateLimits", ()):
                if (limit["rateLimitType"], limit["interval"], limit["intervalNum"]) == ("REQUEST_WEIGHT", "MINUTE", 1):
                    allowed = int(limit["limit"])
                    if not LEAST_LIMIT <= allowed <= MOST_LIMIT:
                        raise self._not_the_exchange()
                    self._budget.set_limit(allowed)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._not_the_exchange() from None
        return symbols

    def server_time_ms(self) -> int:
        """The exchange's clock (ms, UTC). GET /fapi/v1/time, weight 1."""
        try:
            now_ms = int(self._get("/fapi/v1/time", 1)["serverTime"])
        except (KeyError, TypeError, ValueError):
            raise self._not_the_exchange() from None
        if not MIN_TIME <= now_ms < MAX_TIME:
            raise self._not_the_exchange()
        return now_ms

    def last_trade_ids(self) -> dict[str, int]:
        """Symbol -> id of its last trade, not aggregated. GET /fapi/v1/ticker/24hr, weight 40."""
        try:
            return {str(each["symbol"]): int(each["lastId"]) for each in self._get("/fapi/v1/ticker/24hr", 40)}
        except (KeyError, TypeError, ValueError):
            raise self._not_the_exchange() from None

    def last_aggregate_id(self, symbol: str) -> int | None:
        """The highest aggregate id of a symbol, None when it has no recent trade. Weight 20."""
        trades = self._agg_trades(symbol, limit=1)
        return int(trades.aggregate_id[-1]) if len(trades) else None

    def agg_trades(self, symbol: str, from_id: int, limit: int = PAGE) -> TradeColumns:
        """At most `limit` trades from `from_id` (included) on, ascending; empty at the end. Weight 20.

        The way to page: by id. Raises TooOld when the first of them is older than REST looks back.
        """
        trades = self._agg_trades(symbol, fromId=from_id, limit=limit)
        if len(trades) and int(trades.aggregate_id[0]) < from_id:
            raise Unreachable(
                f"The exchange at {self._base_url} was asked for {symbol} from id {from_id} on and answered from "
                f"{int(trades.aggregate_id[0])} on: its answer is not used."
            )
        return trades

    def agg_trades_between(self, symbol: str, start_ms: int, end_ms: int, limit: int = PAGE) -> TradeColumns:
        """The first trades from `start_ms` to `end_ms`, both included and less than an hour apart. Weight 20.

        To find an id, not to page: paging by time loses trades. Raises TooOld.
        """
        if not 0 <= end_ms - start_ms < HOUR_MS:
            raise ValueError(f"{start_ms} and {end_ms} are not less than an hour apart")
        return self._agg_trades(symbol, startTime=start_ms, endTime=end_ms, limit=limit)

    def _agg_trades(self, symbol: str, **params: int) -> TradeColumns:
        rows = self._get("/fapi/v1/aggTrades", 20, symbol=symbol, **params)
        if not isinstance(rows, list):
            raise self._not_the_exchange()
        try:
            return trade_columns(symbol, rows)
        except SenselessRow as error:
            raise Unreachable(
                f"The exchange at {self._base_url} sent a trade of {symbol} that makes no sense, its answer is not "
                f"used; {error}"
            ) from None

    def _get(self, path: str, weight: int, **params: str | int) -> Any:
        if not self._budget.acquire(weight, self._priority, self._give_up):
            raise GaveUp(
                "A request to the exchange was given up while it waited for its turn: the weight of this minute is "
                "used up, the exchange asked to wait, or Valkey/Redis is away."
            )
        asked_at = time.monotonic()
        try:
            # A redirect is not followed: the exchange sends none, and where it leads is not what was configured.
            response = self._session.get(
                f"{self._base_url}{path}", params=params, timeout=TIMEOUT, stream=True, allow_redirects=False
            )
        except requests.RequestException as error:
            raise Unreachable(
                f"The exchange does not answer at {self._base_url}: check the network, or BINANCE_REST_URL. "
                f"({type(error).__name__})"
            ) from error
        used = response.headers.get(_USED_WEIGHT, "")
        if used.isascii() and used.isdigit() and len(used) < 8:
            self._budget.observe(int(used), time.monotonic() - asked_at)
        try:
            with response:
                body = whole_body(response, MOST_BYTES, LONGEST_S)
        except BodyUnusable as problem:
            raise Unreachable(
                f"The answer of the exchange at {self._base_url} {problem}: check the network, or BINANCE_REST_URL."
            ) from problem
        if response.status_code != 200:
            raise self._refusal(response, body, str(params.get("symbol", "")))
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise self._not_the_exchange() from None

    def _refusal(self, response: requests.Response, body: bytes, symbol: str) -> ExchangeProblem:
        status, (code, message) = response.status_code, _code_and_message(body)
        says = f"The exchange at {self._base_url} answered {status}"
        if status == 429:
            seconds = min(_retry_after(response) or DEFAULT_PAUSE, LONGEST_PAUSE)
            self._budget.pause(seconds)
            return RateLimited(f"{says}: too many requests. Nothing is asked for {seconds:.0f} s.", seconds)
        if status == 418:
            until_ms = banned_until(message, _retry_after(response), int(time.time() * 1000))
            self._budget.ban(until_ms)
            return Banned(until_ms)
        if status == 403:
            return Blocked(f"{says}: its firewall blocks this address. Use another address, or wait some hours.")
        if status == 451:
            return Blocked(f"{says}: it does not serve this location. Collect from a place that it serves.")
        if code == -4166:
            return TooOld(f"{says}: {symbol} that far back is not to be had by REST, only from the archives.")
        if code == -1121:
            return UnknownContract(f"{says}: it knows no contract {symbol}.")
        if status >= 500:
            return Unreachable(f"{says}: it has trouble. Try again later.")
        if code is None:
            return self._not_the_exchange()
        return ExchangeProblem(f"{says}: {message[:200]} (code {code}).")

    def _not_the_exchange(self) -> Unreachable:
        return Unreachable(f"What answers at {self._base_url} is not the exchange: check BINANCE_REST_URL.")


def banned_until(message: str, retry_after: float | None, now_ms: int) -> int:
    """When a ban ends (ms, UTC), from an answer's text ("… banned until 1774784983833. …") and its Retry-After.

    The later one; of what neither says, or what is past or absurd, the shortest ban there is.
    """
    ends = [] if retry_after is None else [now_ms + round(retry_after * 1000)]
    ends += [int(found) for found in _BANNED_UNTIL.findall(message)]
    likely = [end for end in ends if now_ms < end <= now_ms + LONGEST_BAN * 1000]
    return max(likely, default=now_ms + round(SHORTEST_BAN * 1000))


def _retry_after(response: requests.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _code_and_message(body: bytes) -> tuple[int | None, str]:
    """Of an error's body; an answer that is not the exchange's has no code."""
    try:
        error = orjson.loads(body)
        code, message = int(error["code"]), error["msg"]
        if isinstance(message, str) and -(10**6) < code < 10**6:
            return code, message[:1000]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        pass
    return None, body[:1000].decode("utf-8", "replace")
