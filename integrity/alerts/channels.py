"""Where messages go: Telegram, a webhook, e-mail. What cannot be delivered says why, and never with a secret in it."""

from __future__ import annotations

import math
import smtplib
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

import requests
from django.core.mail import get_connection, send_mail

from dataprovider.config import Config
from integrity.alerts.book import Message

TIMEOUT = 10.0
#: A message that is so much older (seconds) says when it was.
LATE = 60.0
#: The longest wait that is believed of a channel (seconds).
LONGEST_WAIT = 3600.0
#: What Telegram asks for when it does not say how long (seconds).
DEFAULT_WAIT = 30.0
#: Telegram takes 4,096 characters.
LONGEST_TEXT = 4000

SIGNS = {"firing": "🔴", "resolved": "🟢", "info": "ℹ️"}


class Undelivered(Exception):
    """`str()` says why, without any secret; `wait`: seconds that were asked for, 0 for none."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Channel(Protocol):
    """Delivers messages, or raises Undelivered: then none of them was taken."""

    name: str
    #: So many messages may be handed over at once.
    most_at_once: int

    def deliver(self, messages: Sequence[Message]) -> None: ...


class Telegram:
    """The bot API's sendMessage: a line a message."""

    name = "Telegram"
    most_at_once = 20

    def __init__(self, url: str, token: str, chat: str) -> None:
        self._url, self._token, self._chat = url, token, chat

    def deliver(self, messages: Sequence[Message]) -> None:
        text = "\n".join(f"{SIGNS[each.state]} {_text(each)}"[: LONGEST_TEXT // len(messages)] for each in messages)
        answer = _post(
            f"{self._url}/bot{self._token}/sendMessage",
            {"chat_id": self._chat, "text": text, "disable_web_page_preview": True},
            "TELEGRAM_API_URL",
        )
        if answer.status_code == 200:
            return
        told = _object(answer)
        description = str(told.get("description", "")).replace(self._token, "…")[:200]
        reason = f"it answered {answer.status_code}{f' ({description})' if description else ''}"
        if answer.status_code == 429:
            wait = _seconds(_dict(told.get("parameters")).get("retry_after"))
            raise Undelivered(f"{reason}; it is asked again in {wait:g} s", wait)
        hints = {401: "TELEGRAM_BOT_TOKEN", 404: "TELEGRAM_BOT_TOKEN"}
        hint = hints.get(answer.status_code, "TELEGRAM_CHAT_ID (the bot must be in that chat)")
        raise Undelivered(reason if answer.status_code >= 500 else f"{reason}: check {hint}")


class Webhook:
    """One POST a message: {source, state, key, text, timestamp (ms)}."""

    name = "The webhook"
    #: Of several the first could be taken and the last not.
    most_at_once = 1

    def __init__(self, url: str) -> None:
        self._url = url

    def deliver(self, messages: Sequence[Message]) -> None:
        for each in messages:
            body = {"source": "dataprovider", "state": each.state, "key": each.key, "text": each.text}
            at = each.at or time.time()
            answer = _post(self._url, {**body, "timestamp": int(at * 1000)}, "ALERT_WEBHOOK_URL")
            if answer.status_code >= 300:
                raise Undelivered(f"it answered {answer.status_code}: check ALERT_WEBHOOK_URL")


class Mail:
    """An e-mail through Django's settings (EMAIL_URL)."""

    name = "E-mail"
    most_at_once = 20

    def __init__(self, sender: str, receivers: Sequence[str]) -> None:
        self._sender, self._receivers = sender, list(receivers)

    def deliver(self, messages: Sequence[Message]) -> None:
        about = messages[0].text if len(messages) == 1 else f"{len(messages)} messages"
        body = "\n".join(f"{each.state}: {_text(each)}" for each in messages)
        subject = " ".join(f"DataProvider: {about}".split())[:120]
        connection = get_connection()
        try:
            connection.open()
            send_mail(subject, body, self._sender, self._receivers, connection=connection)
        except smtplib.SMTPAuthenticationError:
            raise Undelivered("the mail server refused the login: check user and password in EMAIL_URL") from None
        except smtplib.SMTPRecipientsRefused:
            raise Undelivered("the mail server refused the receivers: check ALERT_EMAIL_TO") from None
        except smtplib.SMTPSenderRefused:
            raise Undelivered("the mail server refused the sender: check ALERT_EMAIL_FROM") from None
        except OSError as error:
            said = f"{type(error).__name__} {error.strerror or ''}".strip()
            raise Undelivered(f"the mail server does not take it ({said}): check EMAIL_URL") from None
        finally:
            # A farewell that fails changes nothing about what was taken.
            with suppress(OSError):
                connection.close()


def attempt(channel: Channel, messages: Sequence[Message]) -> Undelivered | None:
    """Deliver, or say why not, whatever happens; never raises."""
    try:
        channel.deliver(messages)
    except Undelivered as problem:
        return problem
    except Exception as error:  # noqa: BLE001 - nobody is to be left without alerts; its text may hold a secret
        return Undelivered(f"{type(error).__name__}: check its settings")
    return None


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


def _text(message: Message) -> str:
    """With its time when it comes late."""
    if not message.at or time.time() - message.at < LATE:
        return message.text
    return f"{message.text} (told late: this was at {datetime.fromtimestamp(message.at, UTC):%Y-%m-%d %H:%M} UTC)"


def _post(url: str, body: dict[str, Any], setting: str) -> requests.Response:
    try:
        return requests.post(url, json=body, timeout=TIMEOUT, allow_redirects=False)
    except (requests.RequestException, ValueError) as error:
        # Its text has the address in it, and that a token.
        reason = f"it cannot be reached ({type(error).__name__}): check the network and {setting}"
        raise Undelivered(reason) from None


def _object(answer: requests.Response) -> dict[str, Any]:
    try:
        return _dict(answer.json())
    except ValueError:
        return {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return DEFAULT_WAIT
    return min(max(float(value), 0.0), LONGEST_WAIT)
