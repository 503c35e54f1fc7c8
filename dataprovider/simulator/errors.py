"""What can go wrong: the exchange's own error answers, and the one sentence for whoever starts the simulator."""

from __future__ import annotations

from dataclasses import dataclass

import orjson


class SimulatorError(Exception):
    """The simulator cannot do what it was asked; `str()` is one sentence saying what to do."""


@dataclass(frozen=True, slots=True)
class ExchangeError(Exception):
    """An error answer of the REST face. Codes and texts: Binance's "Error Codes" page for USDⓈ-M futures."""

    status: int
    code: int
    message: str
    retry_after_s: int | None = None

    def body(self) -> bytes:
        return orjson.dumps({"code": self.code, "msg": self.message})


def invalid_symbol() -> ExchangeError:
    return ExchangeError(400, -1121, "Invalid symbol.")


def invalid_interval() -> ExchangeError:
    return ExchangeError(400, -1120, "Invalid interval.")


def missing_parameter(name: str) -> ExchangeError:
    return ExchangeError(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal_characters(name: str) -> ExchangeError:
    return ExchangeError(
        400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
    )


def invalid_data(name: str) -> ExchangeError:
    return ExchangeError(400, -1130, f"Data sent for parameter '{name}' is not valid.")


def bad_combination() -> ExchangeError:
    return ExchangeError(400, -1128, "Combination of optional parameters invalid.")


def interval_too_long() -> ExchangeError:
    return ExchangeError(400, -1127, "Lookup interval is too big. More than 1 hours between startTime and endTime.")


def times_reversed() -> ExchangeError:
    return ExchangeError(400, -1023, "Start time is greater than end time.")


def beyond_look_back() -> ExchangeError:
    return ExchangeError(400, -4166, "Search window is restricted to recent 2 days only.")


def too_many_requests(ip: str, limit: int, retry_after_s: int) -> ExchangeError:
    message = (
        f"Too many requests; current limit of IP({ip}) is {limit} requests per minute. "
        "Please use the websocket for live updates to avoid polling the API."
    )
    return ExchangeError(429, -1003, message, retry_after_s)


def banned(ip: str, until_ms: int, retry_after_s: int) -> ExchangeError:
    message = (
        f"Way too many requests; IP({ip}) banned until {until_ms}. "
        "Please use the websocket for live updates to avoid bans."
    )
    return ExchangeError(418, -1003, message, retry_after_s)
