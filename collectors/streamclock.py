"""The exchange's time as the events of its streams tell it. No clock of its own, no I/O."""

from __future__ import annotations

#: An event so far from the time that is known (ms) is not believed by itself: between two events that arrive together
#: lie milliseconds, and what was held up in the network lies behind.
TOLERANCE_MS = 60_000
#: So many such events in a row, all before or all after it, are a clock that was moved.
BELIEVED = 3
#: The very first event is believed when another agrees, or when none came for so long (seconds).
ALONE_SECONDS = 1.0


class StreamClock:
    """The newest event's time, carried on by a steady clock (`now`, in seconds) and moved by no single event."""

    def __init__(self) -> None:
        #: The time of the newest event that was believed (ms since 1970), 0 before there is one.
        self.newest_ms = 0
        self._since = 0.0
        self._odd: list[int] = []

    def observe(self, event_ms: int, now: float) -> bool:
        """Take in when an event was sent, by the exchange's clock; whether it fits what is known."""
        if not self.newest_ms:
            return self._begin(event_ms, now)
        known = self.now_ms(now)
        if abs(event_ms - known) <= TOLERANCE_MS:
            self._odd.clear()
            if event_ms > self.newest_ms:
                self._believe(event_ms, now)
            return True
        ahead = event_ms > known
        self._odd = [each for each in self._odd if (each > known) == ahead and each != event_ms]
        self._odd.append(event_ms)
        if len(self._odd) == BELIEVED:
            # The one in the middle: one of them may still be absurd.
            self._believe(sorted(self._odd)[BELIEVED // 2], now)
        return not self._odd

    def tick(self, now: float) -> None:
        """Now and then: believe the only event there was."""
        if not self.newest_ms and self._odd and now - self._since >= ALONE_SECONDS:
            self._believe(self._odd[-1], self._since)

    def now_ms(self, now: float) -> int:
        """The exchange's time (ms since 1970), 0 while it is not known."""
        return self.newest_ms + int((now - self._since) * 1000) if self.newest_ms else 0

    def latest_ms(self, now: float) -> float:
        """A trade of a later time is dated ahead; infinity while nothing is known."""
        return self.now_ms(now) + TOLERANCE_MS if self.newest_ms else float("inf")

    def _begin(self, event_ms: int, now: float) -> bool:
        agreeing = [each for each in self._odd if 0 < abs(event_ms - each) <= TOLERANCE_MS]
        self._odd = [*(each for each in self._odd if each != event_ms), event_ms]
        self._since = now
        if agreeing:
            self._believe(max(event_ms, *agreeing), now)
        elif len(self._odd) == BELIEVED:
            # A replay runs as fast as it is told to: no two of its events may be close.
            self._believe(sorted(self._odd)[BELIEVED // 2], now)
        return not self._odd

    def _believe(self, event_ms: int, now: float) -> None:
        self.newest_ms, self._since = event_ms, now
        self._odd.clear()
