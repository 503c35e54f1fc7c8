"""Stream frames of the exchange: from JSON text to exact trades. The only place that knows their wire format.

Source of the format: the official SDK's aggTrade stream (see `decode`); unknown and missing extra fields
(`nq`, `st`) are tolerated, wrong ones are not.
"""

from __future__ import annotations

import secrets
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

import orjson

from collectors.trade import Trade
from dataprovider.decimals import to_count

#: Aggregate ids were 3.5e9 and trade ids 8.2e9 on the busiest contract in October 2026; far above that is absurd.
MAX_ID = 10**15
#: ms since 1970: from 2017 (before the exchange existed) to 2099, as far as times are served (microseconds are beyond).
MIN_TIME, MAX_TIME = 1_483_228_800_000, 4_102_444_800_000
#: An event is sent 2–160 ms after its trade; a day apart is absurd.
MAX_EVENT_DELAY_MS = 86_400_000
#: Stands between two frames that are parsed together, so that no frame can reach into the next: nobody can know it.
_BETWEEN = secrets.randbits(53)
_SEPARATOR = b",%d," % _BETWEEN


@dataclass(slots=True)
class Decoded:
    """What a run of frames held: trades in order, answers to our own requests, and what could not be used."""

    trades: list[Trade] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[tuple[str, bytes]] = field(default_factory=list)


def decode(payloads: list[bytes], known: Container[str]) -> Decoded:
    """Turn text frames into trades.

    `payloads`: each one JSON object, raw (`{"e":"aggTrade",…}`) or combined (`{"stream":…,"data":{…}}`); `known`:
    the symbols that are collected. A frame that cannot be used is returned in `rejected` with its reason; never raises.
    """
    decoded = Decoded()
    try:
        parsed = orjson.loads(b"[" + _SEPARATOR.join(payloads) + b"]")
    except orjson.JSONDecodeError:
        parsed = []
    if len(parsed) != 2 * len(payloads) - 1 or parsed[1::2].count(_BETWEEN) != len(payloads) - 1:
        _decode_one_by_one(payloads, known, decoded)
        return decoded
    for message, payload in zip(parsed[::2], payloads, strict=True):
        _take(message, payload, known, decoded)
    return decoded


def _decode_one_by_one(payloads: list[bytes], known: Container[str], decoded: Decoded) -> None:
    for payload in payloads:
        try:
            message = orjson.loads(payload)
        except orjson.JSONDecodeError:
            decoded.rejected.append(("not JSON", payload))
        else:
            _take(message, payload, known, decoded)


def _take(message: Any, payload: bytes, known: Container[str], decoded: Decoded) -> None:
    try:
        data = message.get("data", message)
        if data["e"] != "aggTrade":
            decoded.rejected.append(("unexpected event", payload))
            return
        trade = Trade(
            data["s"],
            data["a"],
            to_count(data["p"]),
            to_count(data["q"]),
            data["f"],
            data["l"],
            data["T"],
            data["m"],
            data["E"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(message, dict) and ("result" in message or "error" in message):
            decoded.answers.append(message)
        else:
            decoded.rejected.append((_reason(error), payload))
        return
    reason = _absurdity(trade, known)
    if reason is None:
        decoded.trades.append(trade)
    else:
        decoded.rejected.append((reason, payload))


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"field {str(error)[:20]} is missing"
    if isinstance(error, ValueError):
        return "not an exact decimal"
    return "not a trade"


def _absurdity(trade: Trade, known: Container[str]) -> str | None:
    symbol, aggregate_id, price, quantity, first, last, timestamp, is_buyer_maker, event_time = trade
    if not (
        type(aggregate_id) is int
        and type(first) is int
        and type(last) is int
        and type(timestamp) is int
        and type(event_time) is int
        and type(is_buyer_maker) is bool
        and type(symbol) is str
    ):
        return "a field of the wrong type"
    if symbol not in known:
        return "unknown symbol"
    if not (0 <= aggregate_id < MAX_ID and 0 <= first <= last < MAX_ID):
        return "absurd ids"
    if price <= 0 or quantity < 0:
        return "absurd price or quantity"
    if not MIN_TIME <= timestamp < MAX_TIME or abs(event_time - timestamp) > MAX_EVENT_DELAY_MS:
        return "absurd time"
    return None
