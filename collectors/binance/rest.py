"""The exchange's REST interface, as far as collection needs it."""

from __future__ import annotations

from typing import Any

import requests

TIMEOUT = (5.0, 20.0)


class ExchangeProblem(Exception):
    """The exchange does not answer, or says no; `str()` is a sentence that says what to do."""


def exchange_info(base_url: str) -> list[dict[str, Any]]:
    """Every contract the exchange lists (GET /fapi/v1/exchangeInfo, weight 1). Raises ExchangeProblem."""
    try:
        symbols = _get(base_url, "/fapi/v1/exchangeInfo")["symbols"]
    except (KeyError, TypeError):
        raise _not_the_exchange(base_url) from None
    if not isinstance(symbols, list):
        raise _not_the_exchange(base_url)
    return symbols


def last_trade_ids(base_url: str) -> dict[str, int]:
    """Symbol -> id of its last trade, not aggregated (GET /fapi/v1/ticker/24hr, weight 40). Raises ExchangeProblem."""
    try:
        return {str(each["symbol"]): int(each["lastId"]) for each in _get(base_url, "/fapi/v1/ticker/24hr")}
    except (KeyError, TypeError, ValueError):
        raise _not_the_exchange(base_url) from None


def last_aggregate_id(base_url: str, symbol: str) -> int | None:
    """The highest aggregate id of a symbol, None when it has no recent trade (GET /fapi/v1/aggTrades, weight 20)."""
    try:
        rows = _get(base_url, "/fapi/v1/aggTrades", symbol=symbol, limit=1)
        return int(rows[-1]["a"]) if rows else None
    except (KeyError, TypeError, ValueError):
        raise _not_the_exchange(base_url) from None


def _get(base_url: str, path: str, **params: str | int) -> Any:
    try:
        response = requests.get(f"{base_url}{path}", params=params, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise ExchangeProblem(
            f"The exchange does not answer at {base_url}: check the network, or BINANCE_REST_URL. "
            f"({type(error).__name__})"
        ) from error
    if response.status_code != 200:
        raise ExchangeProblem(_refusal(base_url, response))
    try:
        return response.json()
    except ValueError:
        raise _not_the_exchange(base_url) from None


def _not_the_exchange(base_url: str) -> ExchangeProblem:
    return ExchangeProblem(f"What answers at {base_url} is not the exchange: check BINANCE_REST_URL.")


def _refusal(base_url: str, response: requests.Response) -> str:
    meanings = {
        403: "its firewall blocks this address",
        418: "this address is banned for a while",
        429: "too many requests",
        451: "it does not serve this location",
    }
    meaning = meanings.get(response.status_code, "an unexpected answer")
    return f"The exchange at {base_url} answered {response.status_code}: {meaning}. Try again later."
