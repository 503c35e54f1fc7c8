"""The exchange's clock: what is old or over is judged by it, never by this machine's."""

from __future__ import annotations

import time
from collections.abc import Callable

from collectors.binance.rest import ExchangeProblem, Rest

#: How often the exchange is asked at most (seconds).
ASK_SECONDS = 60.0


class ExchangeClock:
    """The exchange's time, asked rarely and carried on by a steady clock in between."""

    def __init__(self, rest: Rest, steady: Callable[[], float] = time.monotonic) -> None:
        """`steady`: seconds that only ever pass."""
        self._rest = rest
        self._steady = steady
        self._known: tuple[int, float] | None = None
        self._asked_at = float("-inf")

    def now_ms(self) -> int:
        """Milliseconds since 1970 (UTC). A clock that jumps (a replay's) may be seen a minute late.

        Raises ExchangeProblem as long as the exchange has never answered; later its last answer is carried on.
        """
        if self._known is None or self._steady() - self._asked_at >= ASK_SECONDS:
            self._asked_at = self._steady()
            try:
                self._known = (self._rest.server_time_ms(), self._steady())
            except ExchangeProblem:
                if self._known is None:
                    raise
        server_ms, at = self._known
        return server_ms + int((self._steady() - at) * 1000)

    def forget(self) -> None:
        """Ask again at the next call: the exchange's clock may have jumped."""
        self._known, self._asked_at = None, float("-inf")
