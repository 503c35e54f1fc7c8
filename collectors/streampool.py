"""The stream connections of one worker: who carries which symbol, connecting, pacing, watching, rotating.

The pool never decides about trades: it hands over the frames of each connection and says which symbols
were interrupted.
"""

from __future__ import annotations

import logging
import selectors
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from collectors.backoff import Backoff
from collectors.pace import Pace

logger = logging.getLogger(__name__)

#: Documented: 10 client messages a second; a connection sends one every CONTROL_INTERVAL seconds at most.
CONTROL_INTERVAL = 0.25
ANSWER_TIMEOUT = 10.0
#: Silence of a whole connection that is taken for a stall (seconds); doubled when a second connection is silent too.
SILENCE = 6.0
MOST_SILENCE = 300.0
#: A connection that is naturally quiet may be silent for this many of its mean intervals between data.
QUIET_INTERVALS = 30
#: The exchange ends a connection after 24 h; the successor is opened before that and both run for OVERLAP seconds.
LIFETIME = 23 * 3600.0
OVERLAP = 10.0


class Connection(Protocol):
    """What the pool needs of a stream connection (`collectors.binance.stream.StreamConnection`)."""

    def fileno(self) -> int: ...
    def read(self) -> list[bytes]: ...
    def subscribe(self, symbols: Iterable[str]) -> int: ...
    def unsubscribe(self, symbols: Iterable[str]) -> int: ...
    def close(self) -> None: ...


@dataclass(eq=False)
class Line:
    """One live connection and what was asked of it."""

    slot: Slot
    connection: Connection
    opened_at: float
    subscribed: set[str] = field(default_factory=set)
    unanswered: dict[int, float] = field(default_factory=dict)
    next_control_at: float = 0.0
    last_data_at: float = 0.0
    got_data: bool = False


@dataclass(eq=False)
class Slot:
    """A place for at most `symbols_per_connection` symbols; its connection comes and goes."""

    number: int
    backoff: Backoff
    symbols: set[str] = field(default_factory=set)
    line: Line | None = None
    successor: Line | None = None
    opening: Future[Connection] | None = None
    #: Its connection is silent: a second one is opened, and takes over as soon as it has data.
    stalled: bool = False
    next_attempt_at: float = 0.0
    patience: float = SILENCE
    mean_interval: float = 0.0

    def lines(self) -> Iterator[Line]:
        """Its open connections: one, or two while a successor takes over."""
        if self.line is not None:
            yield self.line
        if self.successor is not None:
            yield self.successor


class StreamPool:
    """Keeps every wanted symbol subscribed on some connection. One thread calls it; connecting happens in others."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        clock: Callable[[], float],
        interrupted: Callable[[set[str]], None],
        *,
        symbols_per_connection: int,
        pace: Pace,
        lifetime: float = LIFETIME,
    ) -> None:
        """`connect` may block and raises an exception whose text is the reason; `interrupted` gets the symbols whose
        stream broke. `pace` bounds the attempts of this pool."""
        self._connect = connect
        self._clock = clock
        self._interrupted = interrupted
        self._capacity = symbols_per_connection
        self._pace = pace
        self._lifetime = lifetime
        self._slots: list[Slot] = []
        self._openers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="stream-connect")
        self._selector = selectors.DefaultSelector()
        self.reconnects = 0

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return sum(1 for slot in self._slots for _ in slot.lines())

    @property
    def subscribed(self) -> int:
        """How many wanted symbols the exchange has acknowledged."""
        return sum(
            len(slot.symbols & slot.line.subscribed) for slot in self._slots if slot.line and not slot.line.unanswered
        )

    def set_symbols(self, wanted: set[str]) -> None:
        """Change what is to be streamed; takes effect over the next calls of `step`."""
        for slot in self._slots:
            slot.symbols &= wanted
        missing = sorted(wanted - {symbol for slot in self._slots for symbol in slot.symbols})
        for slot in self._slots:
            room = self._capacity - len(slot.symbols)
            slot.symbols.update(missing[:room])
            del missing[:room]
        while missing:
            slot = Slot(len(self._slots), Backoff(), set(missing[: self._capacity]))
            self._slots.append(slot)
            del missing[: self._capacity]

    def resubscribe(self, symbol: str) -> None:
        """Ask again for one symbol that is suspiciously quiet."""
        for slot in self._slots:
            for line in slot.lines():
                line.subscribed.discard(symbol)

    def step(self, timeout: float) -> list[tuple[Line, list[bytes]]]:
        """Do what is due, wait up to `timeout` seconds for data, and return the frames per connection."""
        now = self._clock()
        for slot in self._slots:
            self._tend(slot, now)
        received: list[tuple[Line, list[bytes]]] = []
        for key, _ in self._selector.select(timeout):
            line: Line = key.data
            try:
                payloads = line.connection.read()
            except Exception as error:  # noqa: BLE001 - whatever ends a connection, it is opened anew
                self._lost(line, str(error))
                continue
            if payloads:
                received.append((line, payloads))
        return received

    def answered(self, line: Line, answer: dict[str, Any]) -> None:
        """Hand over what the exchange answered to a request on `line`."""
        identity = answer.get("id")
        if isinstance(identity, int):
            line.unanswered.pop(identity, None)
        if answer.get("error") and line in line.slot.lines():
            self._lost(line, f"the exchange refused a request: {_said(answer['error'])}")

    def end(self, line: Line, reason: str) -> None:
        """Give a connection up that brings nothing that can be used; a new one is opened after a while."""
        if line in line.slot.lines():
            self._lost(line, reason)

    def alive(self, line: Line) -> None:
        """Say that trades arrived on `line`: the only sign of life that counts (an ACK or a ping does not)."""
        now, slot = self._clock(), line.slot
        if line is slot.line:
            slot.stalled = False
        slot.mean_interval += (now - line.last_data_at - slot.mean_interval) * 0.05
        slot.patience = min(MOST_SILENCE, max(SILENCE, slot.mean_interval * QUIET_INTERVALS))
        line.last_data_at = now
        if not line.got_data:
            line.got_data = True
            slot.backoff.reset()

    def close(self) -> None:
        """Close every connection; nobody is told that they were interrupted."""
        for slot in self._slots:
            for line in list(slot.lines()):
                self._drop(line)
            if slot.opening is not None:
                slot.opening.add_done_callback(_close_late)
        self._selector.close()
        self._openers.shutdown(wait=False, cancel_futures=True)

    def _tend(self, slot: Slot, now: float) -> None:
        if slot.opening is not None:
            self._finish_opening(slot, now)
        elif slot.symbols and slot.successor is None and self._wants_line(slot, now):
            self._start_opening(slot, now)
        for line in list(slot.lines()):
            self._tend_line(line, now)
        successor = slot.successor
        if successor is not None and successor.got_data and (slot.stalled or now - successor.opened_at > OVERLAP):
            self._promote(slot)

    def _wants_line(self, slot: Slot, now: float) -> bool:
        return slot.line is None or slot.stalled or now - slot.line.opened_at > self._lifetime

    def _promote(self, slot: Slot) -> None:
        if slot.stalled:
            self.reconnects += 1
            logger.warning("Stream connection %d (%d symbols) was replaced.", slot.number, len(slot.symbols))
        slot.stalled = False
        if slot.line is not None:
            self._drop(slot.line)

    def _start_opening(self, slot: Slot, now: float) -> None:
        if now >= slot.next_attempt_at and self._pace.take(now):
            slot.opening = self._openers.submit(self._connect)

    def _finish_opening(self, slot: Slot, now: float) -> None:
        assert slot.opening is not None
        if not slot.opening.done():
            return
        error = slot.opening.exception()
        if error is not None:
            delay = slot.backoff.next_delay()
            slot.next_attempt_at = now + delay
            logger.warning("Stream connection %d: %s; trying again in %.1f s.", slot.number, error, delay)
        else:
            line = Line(slot, slot.opening.result(), opened_at=now, last_data_at=now)
            self._selector.register(line.connection, selectors.EVENT_READ, line)
            if slot.line is None:
                slot.line = line
            else:
                slot.successor = line
        slot.opening = None

    def _tend_line(self, line: Line, now: float) -> None:
        slot = line.slot
        try:
            self._control(line, now)
        except Exception as error:  # noqa: BLE001 - whatever ends a connection, it is opened anew
            self._lost(line, str(error))
            return
        if any(now - asked_at > ANSWER_TIMEOUT for asked_at in line.unanswered.values()):
            self._lost(line, "the exchange did not answer a request")
        elif slot.symbols and now - line.last_data_at > slot.patience:
            self._silent(line, now)
        elif not slot.symbols and not line.subscribed:
            self._drop(line)

    def _control(self, line: Line, now: float) -> None:
        slot = line.slot
        if now < line.next_control_at:
            return
        unwanted = sorted(line.subscribed - slot.symbols)[: self._capacity]
        wanted = sorted(slot.symbols - line.subscribed)[: self._capacity]
        if unwanted:
            line.unanswered[line.connection.unsubscribe(unwanted)] = now
            line.subscribed.difference_update(unwanted)
        elif wanted:
            line.unanswered[line.connection.subscribe(wanted)] = now
            line.subscribed.update(wanted)
            line.last_data_at = now
        else:
            return
        line.next_control_at = now + CONTROL_INTERVAL

    def _silent(self, line: Line, now: float) -> None:
        """A stalled connection looks like a quiet market: only a second connection can tell them apart, and while it
        is opened the first one stays, so that a false alarm costs no trade."""
        slot = line.slot
        if line is slot.successor:
            slot.patience = min(MOST_SILENCE, slot.patience * 2)
            slot.stalled = False
            self._drop(line)
            if slot.line is not None:
                slot.line.last_data_at = now
        elif not slot.stalled:
            slot.stalled = True
            silence = now - line.last_data_at
            logger.info("Stream connection %d: no data for %.0f s; trying a second one.", slot.number, silence)
            self._interrupted(set(slot.symbols))

    def _lost(self, line: Line, reason: str) -> None:
        slot = line.slot
        was_successor = line is slot.successor
        self._drop(line)
        self.reconnects += 1
        delay = slot.backoff.next_delay()
        slot.next_attempt_at = self._clock() + delay
        logger.warning(
            "Stream connection %d (%d symbols): %s; a new one in %.1f s.",
            slot.number,
            len(slot.symbols),
            reason,
            delay,
        )
        if not was_successor:
            self._interrupted(set(slot.symbols))

    def _drop(self, line: Line) -> None:
        slot = line.slot
        self._selector.unregister(line.connection)
        line.connection.close()
        if line is slot.successor:
            slot.successor = None
        elif slot.successor is not None:
            slot.line, slot.successor = slot.successor, None
        else:
            slot.line = None


def _said(error: object) -> str:
    """The exchange's words, as far as they are words: what it sends may be anything."""
    if isinstance(error, dict):
        error = error.get("msg", "")
    return repr(error[:200]) if isinstance(error, str) else "it does not say why"


def _close_late(opening: Future[Connection]) -> None:
    """A connection that came up after its pool was closed."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
