"""Messages on their way: each channel is told from a thread of its own, and tried again for a while."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from collectors.backoff import Backoff
from dataprovider.config import Config
from integrity.alerts.book import Message
from integrity.alerts.channels import Channel, attempt, channels_of

logger = logging.getLogger(__name__)

#: What cannot be delivered for so long (seconds) is dropped, and that is said in the log.
GIVE_UP = 3600.0
#: So many messages wait for a channel at most; the oldest make room.
MOST_WAITING = 100
#: How long the last messages of all channels may take at a stop (seconds).
STOP_SECONDS = 3.0


class Outgoing:
    """One channel's messages. Who tells never waits."""

    def __init__(self, channel: Channel, backoff: Backoff | None = None) -> None:
        self._channel = channel
        self._backoff = backoff or Backoff(first=1.0, most=60.0)
        self._waiting: queue.Queue[tuple[float, Message] | None] = queue.Queue(MOST_WAITING)
        self._stop = threading.Event()
        self._dropped = False
        self._thread = threading.Thread(target=self._run, name=channel.name, daemon=True)
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Hand over a message."""
        while True:
            try:
                return self._waiting.put_nowait((time.monotonic(), message))
            except queue.Full:
                self._drop()

    def finish(self) -> None:
        """What waits is tried once more, and that is the end."""
        self._stop.set()
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            # The thread does not wait for more, and sees that it is to stop.
            return

    def join(self, seconds: float) -> None:
        """Wait for that end, for so long at most."""
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            logger.error("%s: not everything was delivered before the end.", self._channel.name)

    def _drop(self) -> None:
        try:
            self._waiting.get_nowait()
        except queue.Empty:
            return
        if not self._dropped:
            logger.warning("%s: too many messages wait, the oldest are dropped.", self._channel.name)
        self._dropped = True

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            batch = [first]
            while len(batch) < self._channel.most_at_once and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    break
                batch.append(following)
            self._deliver(batch)
            if self._stop.is_set() and self._waiting.empty():
                return

    def _deliver(self, batch: list[tuple[float, Message]]) -> None:
        said = False
        while True:
            problem = attempt(self._channel, [message for _, message in batch])
            if problem is None:
                self._backoff.reset()
                self._dropped = False
                return
            if not said:
                logger.warning("%s did not take a message: %s.", self._channel.name, problem)
            said = True
            if self._stop.is_set() or time.monotonic() - batch[0][0] > GIVE_UP:
                logger.error("%s: %d messages could not be delivered.", self._channel.name, len(batch))
                return
            self._stop.wait(max(problem.wait, self._backoff.next_delay()))


def outgoing(config: Config, make: Callable[[Channel], Outgoing] = Outgoing) -> list[Outgoing]:
    """One for each channel that is set up."""
    return [make(channel) for channel in channels_of(config)]


def end(channels: Sequence[Outgoing], seconds: float = STOP_SECONDS) -> None:
    """Deliver what waits, for so long at most, all channels at the same time."""
    deadline = time.monotonic() + seconds
    for channel in channels:
        channel.finish()
    for channel in channels:
        channel.join(deadline - time.monotonic())
