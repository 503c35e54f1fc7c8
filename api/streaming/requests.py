"""What a client may send: each action read and checked, and what is wrong said with the protocol's error codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

#: Longer messages are refused (bytes).
LARGEST_MESSAGE = 65_536
MOST_MINUTES = 43_200
MOST_CANDLES = 1000
DEFAULT_CANDLES = 100
LONGEST_SYMBOL = 64


class RequestError(Exception):
    """A message that cannot be obeyed: `code` is one of the protocol's error codes, `str()` a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Wanted:
    """One timeframe (minutes) of one symbol, and how many candles are to come first."""

    symbol: str
    timeframe: int
    initial_candles: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    wanted: list[Wanted]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    unwanted: list[Wanted]


@dataclass(frozen=True, slots=True)
class Ping:
    timestamp: object


def read_request(text: str | bytes | None) -> Subscribe | Unsubscribe | Ping:
    """The action in a message. Raises RequestError."""
    if not isinstance(text, str):
        raise RequestError("MESSAGE_ERROR", "Send text, not binary.")
    if len(text) > LARGEST_MESSAGE:
        raise RequestError("MESSAGE_ERROR", f"A message may have {LARGEST_MESSAGE:,} characters.")
    try:
        message = orjson.loads(text)
    except ValueError:
        raise RequestError("INVALID_JSON", "That is not JSON.") from None
    if not isinstance(message, dict):
        raise RequestError("MESSAGE_ERROR", "Send a JSON object.")
    action = message.get("action")
    if action == "ping":
        timestamp = message.get("timestamp")
        return Ping(_echoed(timestamp))
    if action == "subscribe":
        return Subscribe(_subscriptions(message.get("subscriptions")))
    if action == "unsubscribe":
        return Unsubscribe(_unsubscriptions(message.get("unsubscriptions")))
    raise RequestError("UNKNOWN_ACTION", "action: must be subscribe, unsubscribe or ping.")


def _echoed(timestamp: object) -> object:
    """A number or a text, cut; what is neither may be nested so deeply that it cannot be written."""
    if isinstance(timestamp, str):
        return timestamp[:100]
    return timestamp if isinstance(timestamp, int | float) else None


def _subscriptions(value: object) -> list[Wanted]:
    form = 'subscriptions: must be [{"symbol": "BTCUSDT", "timeframes": [{"timeframe": 15, "initial_candles": 100}]}].'
    wanted = []
    for symbol, timeframes in _entries(value, "INVALID_SUBSCRIPTION", form):
        for each in timeframes:
            if not isinstance(each, dict):
                raise RequestError("INVALID_SUBSCRIPTION", form)
            candles = each.get("initial_candles", DEFAULT_CANDLES)
            if not _is_whole(candles) or not 0 <= candles <= MOST_CANDLES:
                raise RequestError("INVALID_SUBSCRIPTION", f"initial_candles: must be 0 to {MOST_CANDLES}.")
            wanted.append(Wanted(symbol, _timeframe(each.get("timeframe")), candles))
    return wanted


def _unsubscriptions(value: object) -> list[Wanted]:
    form = 'unsubscriptions: must be [{"symbol": "BTCUSDT", "timeframes": [15]}].'
    return [
        Wanted(symbol, _timeframe(each))
        for symbol, timeframes in _entries(value, "INVALID_UNSUBSCRIPTION", form)
        for each in timeframes
    ]


def _entries(value: object, code: str, form: str) -> list[tuple[str, list[Any]]]:
    if not isinstance(value, list) or not value:
        raise RequestError(code, form)
    found = []
    for entry in value:
        symbol = entry.get("symbol") if isinstance(entry, dict) else None
        timeframes = entry.get("timeframes") if isinstance(entry, dict) else None
        if not isinstance(symbol, str) or not 0 < len(symbol) <= LONGEST_SYMBOL:
            raise RequestError(code, form)
        if not isinstance(timeframes, list) or not timeframes:
            raise RequestError(code, form)
        found.append((symbol, timeframes))
    return found


def _timeframe(value: Any) -> int:
    if not _is_whole(value) or not 1 <= value <= MOST_MINUTES:
        raise RequestError("INVALID_TIMEFRAME", f"timeframe: must be 1 to {MOST_MINUTES} minutes.")
    return int(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
