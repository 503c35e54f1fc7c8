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
        response = requests.get(f"{base_url}/fapi/v1/exchangeInfo", timeout=TIMEOUT)
    except requests.RequestException as error:
        raise ExchangeProblem(
            f"The exchange does not answer at {base_url}: check the network, or BINANCE_REST_URL. "
            f"({type(error).__name__})"
        ) from error
    if response.status_code != 200:
        raise ExchangeProblem(_refusal(base_url, response))
    try:
        symbols = response.json()["symbols"]
    except (ValueError, KeyError, TypeError):
        raise ExchangeProblem(f"What answers at {base_url} is not the exchange: check BINANCE_REST_URL.") from None
    if not isinstance(symbols, list):
        raise ExchangeProblem(f"What answers at {base_url} is not the exchange: check BINANCE_REST_URL.")
    return symbols


def _refusal(base_url: str, response: requests.Response) -> str:
    meanings = {
        403: "its firewall blocks this address",
        418: "this address is banned for a while",
        429: "too many requests",
        451: "it does not serve this location",
    }
    meaning = meanings.get(response.status_code, "an unexpected answer")
    return f"The exchange at {base_url} answered {response.status_code}: {meaning}. Try again later."
