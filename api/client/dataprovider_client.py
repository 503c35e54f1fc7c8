"""A client for DataProvider in one file: copy it beside your notebook or bot.

    from dataprovider_client import DataProvider

    data = DataProvider("http://127.0.0.1:8080")
    frame = data.candles_frame("BTCUSDT", 173, start="2024-01-01", end="2024-02-01")   # pandas
    table = data.candles_table("BTCUSDT", 173, start="2024-01-01")                     # Arrow, exact decimals
    data.download("trades", "BTCUSDT", "january.parquet", start="2024-01-01", end="2024-02-01")
    for candle in data.live(["BTCUSDT"], [15, 173]):
        print(candle["symbol"], candle["timeframe"], candle["close"], candle["closed"])

Needs requests; live() also websocket-client, the frames pandas, the tables pyarrow. Times are datetimes, ISO text or
milliseconds since 1970, UTC where they do not say; a range is [start, end). Numbers are floats, with `exact=True`
decimal.Decimal with every digit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

Time = datetime | str | int
Row = dict[str, Any]

#: Tries of a request that the server is too busy for or that finds a service away.
TRIES = 6
#: The server says something at least once a minute; a connection that is silent for longer is dead.
SILENCE_SECONDS = 90


CANDLE_COLUMNS = [
    "candle_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "taker_buy_volume",
    "taker_sell_volume",
    "trades_count",
    "aggregate_count",
    "complete",
    "closed",
]
TRADE_COLUMNS = ["aggregate_id", "price", "quantity", "first_trade_id", "last_trade_id", "timestamp", "is_buyer_maker"]


class DataProviderError(Exception):
    """The server refused: `code` is its word for it, such as UNKNOWN_SYMBOL."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class DataProvider:
    """One server. `api_key` is sent with every request."""

    def __init__(self, url: str = "http://127.0.0.1:8080", api_key: str | None = None, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._headers = {"X-API-Key": api_key} if api_key else {}
        self._session = requests.Session()
        self._session.headers.update(self._headers)

    def candles(
        self,
        symbol: str,
        timeframe: int = 1,
        start: Time | None = None,
        end: Time | None = None,
        *,
        limit: int | None = None,
        exact: bool = False,
    ) -> list[Row]:
        """The candles of `timeframe` minutes that open in the range, ascending; without a start the newest 500.

        `limit`: at most so many, from the start on or, without one, the newest.
        """
        asked = {"timeframe": timeframe, "start_time": _ms(start), "end_time": _before(end)}
        return self._walk(f"data/klines/{symbol}", asked, limit, 30_000, 500, exact)

    def trades(
        self,
        symbol: str,
        start: Time | None = None,
        end: Time | None = None,
        *,
        from_id: int | None = None,
        limit: int | None = None,
        exact: bool = False,
    ) -> list[Row]:
        """The aggregated trades of a range, or from an id on; without either the newest 1000 (at most 10,000).

        `limit`: at most so many.
        """
        if start is None and from_id is None and (limit or 0) > 10_000:
            raise ValueError("limit: without a start or an id the newest 10,000 at most")
        asked = {"start_time": _ms(start), "end_time": _before(end), "from_id": from_id}
        return self._walk(f"data/trades/{symbol}", asked, limit, 10_000, 1000, exact)

    def candles_frame(self, symbol: str, timeframe: int = 1, *args: Any, **kwargs: Any) -> Any:
        """The same as a pandas DataFrame, indexed by the candles' open times (UTC)."""
        return _frame(self.candles(symbol, timeframe, *args, **kwargs), "candle_time", CANDLE_COLUMNS)

    def trades_frame(self, symbol: str, *args: Any, **kwargs: Any) -> Any:
        """The same as a pandas DataFrame, indexed by the trades' times (UTC)."""
        return _frame(self.trades(symbol, *args, **kwargs), "timestamp", TRADE_COLUMNS)

    def candles_table(self, symbol: str, timeframe: int = 1, start: Time | None = None, end: Time | None = None) -> Any:
        """A pyarrow Table of the range, decimals as decimal128: exact."""
        return self._table("candles", symbol, {"timeframe": timeframe}, start, end)

    def trades_table(self, symbol: str, start: Time | None = None, end: Time | None = None) -> Any:
        """A pyarrow Table of the range, decimals as decimal128: exact."""
        return self._table("trades", symbol, {}, start, end)

    def download(
        self,
        what: str,
        symbol: str,
        path: str | Path,
        start: Time | None = None,
        end: Time | None = None,
        **asked: Any,
    ) -> Path:
        """Save "trades" or "candles" of any range as a file: .csv, .parquet or .arrow, as the path ends.

        The file appears when it is whole. Candles also take `timeframe`, trades `from_id` and `to_id`.
        """
        whole = Path(path)
        part = whole.with_name(f"{whole.name}.part")
        asked = {**asked, "format": whole.suffix.removeprefix("."), "start_time": _ms(start), "end_time": _before(end)}
        with self._get(f"export/{what}/{symbol}", asked, stream=True) as response, part.open("wb") as file:
            for chunk in response.iter_content(1 << 20):
                file.write(chunk)
        return part.replace(whole)

    def live(
        self, symbols: Sequence[str], timeframes: Sequence[int], *, history: int = 1, exact: bool = False
    ) -> Iterator[Row]:
        """Candles as they change, for ever; first the newest `history` of each symbol and timeframe.

        A candle comes again at every change: its last state says `closed`, one that was repaired later `correction`.
        `timeframe` is "15m", `data_status` the server's word on what is missing. A lost connection is made again, and
        what changed meanwhile comes then.
        """
        import websocket

        url = f"{self.url.replace('http', 'ws', 1)}/ws/stream"
        wait, heard = 1.0, time.time()
        while True:
            missed = (time.time() - heard) / 60
            try:
                connection = websocket.create_connection(url, timeout=SILENCE_SECONDS, header=self._headers)
                try:
                    connection.send(json.dumps(_subscription(symbols, timeframes, history, missed)))
                    while text := connection.recv():
                        wait, heard = 1.0, time.time()
                        yield from _updates(json.loads(text, parse_float=Decimal if exact else None))
                finally:
                    connection.close()
            except websocket.WebSocketBadStatusException as error:
                if error.status_code < 500 and error.status_code != 429:
                    raise DataProviderError(str(error.status_code), "the connection is refused") from error
            except (websocket.WebSocketException, OSError):
                pass
            time.sleep(wait)
            wait = min(30.0, wait * 2)

    def _walk(self, path: str, asked: Row, limit: int | None, most: int, newest: int, exact: bool) -> list[Row]:
        """All of a range, answer after answer."""
        ranged = asked["start_time"] is not None or asked.get("from_id") is not None
        wanted = limit if limit is not None or ranged else newest
        pages: list[list[Row]] = []
        count = 0
        response = self._get(path, {**asked, "limit": most if wanted is None else max(1, min(most, wanted))})
        while True:
            page = response.json(parse_float=Decimal if exact else None)["data"]
            pages.append(page)
            count += len(page)
            following = response.links.get("next" if ranged else "prev")
            if following is None or (wanted is not None and count >= wanted):
                break
            response = self._get(urljoin(response.url, following["url"]), {})
        rows = [row for page in (pages if ranged else reversed(pages)) for row in page]
        return rows[:wanted] if ranged or wanted is None else rows[max(0, count - wanted) :]

    def _table(self, what: str, symbol: str, asked: Row, start: Time | None, end: Time | None) -> Any:
        import pyarrow as pa

        asked = {**asked, "format": "arrow", "start_time": _ms(start), "end_time": _before(end)}
        # A body that broke off raises here.
        return pa.ipc.open_stream(self._get(f"export/{what}/{symbol}", asked).content).read_all()

    def _get(self, path: str, asked: Row, *, stream: bool = False) -> requests.Response:
        address = urljoin(f"{self.url}/api/v1/", path)
        given = {name: value for name, value in asked.items() if value is not None}
        for attempt in range(1, TRIES + 1):
            response = self._session.get(address, params=given, timeout=self._timeout, stream=stream)
            if response.status_code == 200:
                return response
            if response.status_code not in (429, 503) or attempt == TRIES:
                break
            time.sleep(min(60.0, float(response.headers.get("Retry-After", attempt))))
        try:
            body = response.json()
            code, message = str(body["error"]), str(body["message"])
        except (ValueError, KeyError):
            code, message = str(response.status_code), response.text[:200]
        raise DataProviderError(code, message)


def _ms(moment: Time | None) -> int | None:
    if moment is None or isinstance(moment, int):
        return moment
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _before(end: Time | None) -> int | None:
    """The server's ends are included."""
    ms = _ms(end)
    return None if ms is None else ms - 1


def _frame(rows: list[Row], index: str, columns: Sequence[str]) -> Any:
    import pandas as pd

    # Also an empty range has its columns.
    frame = pd.DataFrame(rows, columns=None if rows else list(columns))
    frame[index] = pd.to_datetime(frame[index], unit="ms", utc=True)
    return frame.set_index(index)


def _subscription(symbols: Sequence[str], timeframes: Sequence[int], history: int, missed_minutes: float) -> Row:
    wanted = [
        {"timeframe": each, "initial_candles": min(1000, max(history, int(missed_minutes / each) + 1))}
        for each in timeframes
    ]
    return {"action": "subscribe", "subscriptions": [{"symbol": symbol, "timeframes": wanted} for symbol in symbols]}


def _updates(frame: Row) -> Iterator[Row]:
    """The candles in one of the server's frames."""
    kind = frame["type"]
    if kind == "error" and frame["error_code"] not in ("CONNECTION_ERROR", "TIMEOUT"):
        raise DataProviderError(frame["error_code"], frame["message"])
    if kind == "subscription_result" and frame["failed_subscriptions"]:
        raise DataProviderError("INVALID_SUBSCRIPTION", json.dumps(frame["failed_subscriptions"]))
    candles = frame["candles"] if kind == "initial_history" else [frame["data"]] if kind == "ohlcv_update" else []
    for candle in candles:
        yield {
            "symbol": frame["symbol"],
            "timeframe": frame["timeframe"],
            **candle,
            "correction": frame.get("correction", False),
            "data_status": frame["data_status"],
        }
