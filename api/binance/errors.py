"""Errors as Binance answers them: {"code", "msg"}, codes of its "Error Codes" page for USDⓈ-M futures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BinanceError(Exception):
    """An error answer: its HTTP status, Binance's code and its sentence."""

    status: int
    code: int
    message: str


def invalid_symbol() -> BinanceError:
    return BinanceError(400, -1121, "Invalid symbol.")


def invalid_interval() -> BinanceError:
    return BinanceError(400, -1120, "Invalid interval.")


def missing_parameter(name: str) -> BinanceError:
    return BinanceError(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal_characters(name: str) -> BinanceError:
    return BinanceError(
        400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
    )


def invalid_data(name: str) -> BinanceError:
    return BinanceError(400, -1130, f"Data sent for parameter '{name}' is not valid.")


def bad_combination() -> BinanceError:
    return BinanceError(400, -1128, "Combination of optional parameters invalid.")


def times_reversed() -> BinanceError:
    return BinanceError(400, -1023, "Start time is greater than end time.")


def no_such_path(path: str, method: str) -> BinanceError:
    return BinanceError(404, -5000, f"Path {path[:200]}, Method {method} is invalid")


def away() -> BinanceError:
    return BinanceError(503, -1001, "Internal error; unable to process your request. Please try again.")


def unknown() -> BinanceError:
    return BinanceError(500, -1000, "An unknown error occurred while processing the request.")
