"""What can go wrong with the exchange's REST interface. `str()` of each is a sentence that says what to do."""

from __future__ import annotations

from datetime import UTC, datetime


class ExchangeProblem(Exception):
    """The exchange does not answer, or says no; `str()` is a sentence that says what to do."""


class Unreachable(ExchangeProblem):
    """No connection, no answer in time, trouble on its side (5xx), or an answer that makes no sense."""


class RateLimited(ExchangeProblem):
    """Too many requests (429): nobody asks for `seconds`."""

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class Banned(ExchangeProblem):
    """This address is banned (418), until `until_ms` (ms, UTC): nobody asks before that."""

    def __init__(self, until_ms: int) -> None:
        until = datetime.fromtimestamp(until_ms / 1000, UTC)
        super().__init__(
            f"The exchange has banned this address until {until:%Y-%m-%d %H:%M:%S} UTC: nothing is asked before that, "
            "streams go on. Look for another program behind the same address that asks too often."
        )
        self.until_ms = until_ms


class Blocked(ExchangeProblem):
    """Its firewall (403) or its terms (451) keep this address out: asking again does not help."""


class TooOld(ExchangeProblem):
    """What was asked for is older than REST looks back (code -4166): the archives have it."""


class UnknownContract(ExchangeProblem):
    """The exchange knows no such symbol (code -1121)."""


class GaveUp(ExchangeProblem):
    """The caller no longer wanted to wait for its turn."""
