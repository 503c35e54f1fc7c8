"""The exchange simulator as a process of ours, and its control face."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from dataprovider.running.children import EXCHANGE, Child

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SentIds:
    """What the exchange put on the wire of one symbol: ids first_id..last_id (both included), `count` of them."""

    first_id: int
    last_id: int
    count: int


class Exchange:
    """A running simulator."""

    def __init__(self, arguments: list[str], environ: Mapping[str, str], log: Path) -> None:
        self.child = Child("exchange", [*EXCHANGE, *arguments], environ, log, piped=True)
        self.url = ""
        self.symbols = 0

    def start(self) -> None:
        """Start it and wait until it listens; raises ChildProblem."""
        self.child.start()
        ready: list[bytes] = []
        reader = threading.Thread(target=lambda: ready.append(self.child.output.readline()), daemon=True)
        reader.start()
        reader.join(START_SECONDS)
        try:
            answer = json.loads(ready[0])
            self.url, self.symbols = answer["url"], answer["symbols"]
        except (IndexError, ValueError, KeyError, TypeError):
            self.child.stop(2.0)
            raise self.child.problem("The exchange simulator did not start.") from None

    @property
    def variables(self) -> dict[str, str]:
        """The settings that point the system at it."""
        return {
            "BINANCE_REST_URL": self.url,
            "BINANCE_STREAM_URL": self.url.replace("http://", "ws://"),
            "BINANCE_ARCHIVE_URL": self.url,
            "BINANCE_ARCHIVE_LISTING_URL": f"{self.url}/listing",
        }

    def state(self) -> dict[str, Any]:
        """What it says of itself (GET /simulator/state); raises requests.RequestException."""
        return self._call(requests.get, "state")

    def start_market(self) -> dict[str, Any]:
        """Let trades happen."""
        return self._call(requests.post, "start")

    def stop_market(self) -> dict[str, Any]:
        """No more trades; returns when everything made was handed to the sockets."""
        return self._call(requests.post, "stop")

    def sent(self) -> dict[str, SentIds]:
        """Per symbol what was put on at least one connection since it started."""
        return {symbol: SentIds(**ids) for symbol, ids in self._call(requests.get, "sent").items()}

    def departures(self) -> list[tuple[str, int, int, float]]:
        """Symbol, first and last id, Unix time (ms) of what left since the last call; noted from the first call on."""
        return [tuple(each) for each in self._call(requests.get, "departures")["departures"]]

    def trading(self, most: int) -> list[str]:
        """Contracts that trade, at most so many."""
        answer = requests.get(f"{self.url}/fapi/v1/exchangeInfo", timeout=30)
        answer.raise_for_status()
        return [each["symbol"] for each in answer.json()["symbols"] if each["status"] == "TRADING"][:most]

    def _call(self, method: Callable[..., requests.Response], what: str) -> dict[str, Any]:
        response = method(f"{self.url}/simulator/{what}", timeout=30)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer
