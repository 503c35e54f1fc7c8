"""Where messages go: Telegram, a webhook, e-mail. Each is told from a thread of its own and tries again for a while."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import requests
from django.core.mail import send_mail

from collectors.backoff import Backoff
from dataprovider.config import Config
from integrity.alerts.book import Message

logger = logging.getLogger(__name__)

TIMEOUT = 10.0
#: What cannot be delivered for so long (seconds) is dropped, and that is said in the log.
GIVE_UP = 3600.0
#: So many messages wait for a channel at most; the oldest make room.
MOST_WAITING = 100
#: More than this at once is one message.
MOST_AT_ONCE = 20

SIGNS = {"firing": "🔴", "resolved": "🟢", "info": "ℹ️"}


class Undelivered(Exception):
    """`str()` says why, without any secret; `wait`: seconds that were asked for, 0 for none."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Channel(Protocol):
    """Delivers messages, or raises Undelivered."""

    name: str

    def deliver(self, messages: Sequence[Message]) -> None: ...


class Telegram:
    """The bot API's sendMessage."""

    name = "Telegram"

    def __init__(self, url: str, token: str, chat: str) -> None:
        self._url, self._chat = f"{url}/bot{token}/sendMessage", chat

    def deliver(self, messages: Sequence[Message]) -> None:
        text = "\n".join(f"{SIGNS[each.state]} {each.text}" for each in messages)[:4000]
        answer = _post(self._url, {"chat_id": self._chat, "text": text, "disable_web_page_preview": True})
        if answer.status_code == 429:
            try:
                wait = float(answer.json()["parameters"]["retry_after"])
            except (ValueError, KeyError, TypeError):
                wait = 30.0
            raise Undelivered("too many messages", wait)
        if answer.status_code != 200:
            raise Undelivered(f"status {answer.status_code}: is TELEGRAM_BOT_TOKEN right, is the bot in the chat?")


class Webhook:
    """One POST a message: {source, state, key, text, timestamp (ms)}."""

    name = "the webhook"

    def __init__(self, url: str) -> None:
        self._url = url

    def deliver(self, messages: Sequence[Message]) -> None:
        for each in messages:
            body = {"source": "dataprovider", "state": each.state, "key": each.key, "text": each.text}
            answer = _post(self._url, {**body, "timestamp": int(time.time() * 1000)})
            if answer.status_code >= 300:
                raise Undelivered(f"status {answer.status_code}")


class Mail:
    """An e-mail through Django's settings (EMAIL_URL)."""

    name = "e-mail"

    def __init__(self, sender: str, receivers: Sequence[str]) -> None:
        self._sender, self._receivers = sender, list(receivers)

    def deliver(self, messages: Sequence[Message]) -> None:
        subject = (
            f"DataProvider: {messages[0].text}" if len(messages) == 1 else f"DataProvider: {len(messages)} messages"
        )
        body = "\n".join(f"{each.state}: {each.text}" for each in messages)
        try:
            send_mail(subject[:120].replace("\n", " "), body, self._sender, self._receivers)
        except OSError as error:
            raise Undelivered(f"{type(error).__name__} {error.strerror or ''}".strip()) from None


def channels_of(config: Config) -> list[Channel]:
    """Those that are set up."""
    found: list[Channel] = []
    if config.telegram_enabled:
        found.append(Telegram(config.telegram_api_url, config.telegram_bot_token, config.telegram_chat_id))
    if config.alert_webhook_url:
        found.append(Webhook(config.alert_webhook_url))
    if config.alert_email_to:
        found.append(Mail(config.alert_email_from, config.alert_email_to))
    return found


class Outgoing:
    """Messages on their way through one channel. Who tells never waits."""

    def __init__(self, channel: Channel, backoff: Backoff | None = None) -> None:
        self._channel = channel
        self._backoff = backoff or Backoff(first=1.0, most=60.0)
        self._waiting: queue.Queue[tuple[float, Message] | None] = queue.Queue(MOST_WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=channel.name, daemon=True)
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Hand over a message."""
        while True:
            try:
                return self._waiting.put_nowait((time.monotonic(), message))
            except queue.Full:
                self._drop()

    def stop(self, seconds: float = 3.0) -> None:
        """Deliver what waits, for so long at most."""
        self._stop.set()
        self._waiting.put(None) if not self._waiting.full() else None
        self._thread.join(seconds)

    def _drop(self) -> None:
        try:
            self._waiting.get_nowait()
            logger.warning("%s: a message was dropped, too many wait.", self._channel.name)
        except queue.Empty:
            return

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            batch = [first]
            while len(batch) < MOST_AT_ONCE and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._stop.set()
                    break
                batch.append(following)
            self._deliver(batch)
            if self._stop.is_set() and self._waiting.empty():
                return

    def _deliver(self, batch: list[tuple[float, Message]]) -> None:
        said = False
        while True:
            try:
                self._channel.deliver([message for _, message in batch])
            except Undelivered as problem:
                if not said:
                    logger.warning("%s did not take a message: %s", self._channel.name, problem)
                said = True
                if self._stop.is_set() or time.monotonic() - batch[0][0] > GIVE_UP:
                    logger.error("%s: %d messages could not be delivered.", self._channel.name, len(batch))
                    return
                self._stop.wait(max(problem.wait, self._backoff.next_delay()))
            else:
                self._backoff.reset()
                return


def _post(url: str, body: dict[str, Any]) -> requests.Response:
    try:
        return requests.post(url, json=body, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        # Its text has the address in it, and that a token.
        raise Undelivered(type(error).__name__) from None


def outgoing(config: Config, make: Callable[[Channel], Outgoing] = Outgoing) -> list[Outgoing]:
    """One for each channel that is set up."""
    return [make(channel) for channel in channels_of(config)]
