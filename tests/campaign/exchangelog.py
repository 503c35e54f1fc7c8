"""What the exchange itself says it traded: its REST, read page by page, by another address than the system's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import requests
from requests.adapters import HTTPAdapter

#: Aggregate id, price, quantity (counts of 10^-8), first and last trade id, time (ms), is buyer maker.
Trade = tuple[int, int, int, int, int, int, int]
PAGE = 1000
#: A page weighs 20; after so many the next address of this machine is used, whose budget is its own.
PAGES_AN_ADDRESS = 80


class ExchangeLog:
    """Pages through the simulated exchange. For one thread; the addresses 127.<lane>.0.1 … are its own."""

    def __init__(self, url: str, lane: int) -> None:
        self._url = url
        self._addresses = (f"127.{lane}.{number // 250}.{number % 250 + 1}" for number in count())
        self._asked = PAGES_AN_ADDRESS
        self._session = requests.Session()

    def newest_id(self, symbol: str) -> int | None:
        """The highest id it has; None: it never had a trade."""
        rows = self._page(symbol=symbol, limit=1)
        return int(rows[-1]["a"]) if rows else None

    def first_id_since(self, symbol: str, start_ms: int) -> int | None:
        """The first id of the hour that begins there."""
        rows = self._page(symbol=symbol, startTime=start_ms, endTime=start_ms + 3_599_999, limit=1)
        return int(rows[0]["a"]) if rows else None

    def trades(self, symbol: str, first_id: int, last_id: int) -> Iterator[Trade]:
        """All of first_id..last_id that there are, ascending."""
        position = first_id
        while position <= last_id:
            rows = self._page(symbol=symbol, fromId=position, limit=PAGE)
            for row in rows:
                if row["a"] <= last_id:
                    yield (
                        row["a"],
                        exact(row["p"]),
                        exact(row["q"]),
                        row["f"],
                        row["l"],
                        row["T"],
                        int(row["m"]),
                    )
            if not rows:
                return
            position = rows[-1]["a"] + 1

    def counts(self) -> dict[str, int]:
        """Trades of the last 24 hours by symbol."""
        return {each["symbol"]: int(each["count"]) for each in self._get("ticker/24hr", {})}

    def now_ms(self) -> int:
        """Its clock."""
        return int(self._get("time", {})["serverTime"])

    def close(self) -> None:
        self._session.close()

    def _page(self, **params: str | int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._get("aggTrades", params)
        return rows

    def _get(self, path: str, params: dict[str, str | int]) -> Any:
        if self._asked >= PAGES_AN_ADDRESS:
            self._session.close()
            self._session = requests.Session()
            self._session.mount("http://", _FromAddress(next(self._addresses)))
            self._asked = 0
        self._asked += 1
        answer = self._session.get(f"{self._url}/fapi/v1/{path}", params=params, timeout=60)
        answer.raise_for_status()
        return answer.json()


class _FromAddress(HTTPAdapter):
    """Connects from one of this machine's loopback addresses."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(self._address, 0))


def exact(text: str) -> int:
    """A decimal number as a count of 10^-8; its digits are moved, nothing is rounded."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > 8:
        raise ValueError(f"{text} has more than eight decimals")
    return int(whole + fraction.ljust(8, "0"))
