"""Delivery: tried again, in order, each once, never with a secret in the log, and never in the way."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from collectors.backoff import Backoff
from integrity.alerts.book import Message
from integrity.alerts.channels import Mail, Telegram, Undelivered, Webhook
from integrity.alerts.outgoing import MOST_WAITING, Outgoing, end
from tests.alerts.lookalike import MAIL_PASSWORD, TOKEN, Lookalike, Mailbox
from tests.waiting import wait_until


def quick(channel: Any) -> Outgoing:
    return Outgoing(channel, Backoff(first=0.01, most=0.05))


def test_messages_arrive_in_order_with_their_signs(lookalike: Lookalike) -> None:
    out = quick(Telegram(lookalike.url, TOKEN, "42"))
    for number in range(5):
        out.tell(Message("firing" if number % 2 else "resolved", "k", f"number {number}"))
    wait_until(lambda: len(lookalike.lines()) == 5, 10, "five lines")
    assert [line.partition(" ")[2] for line in lookalike.lines()] == [f"number {number}" for number in range(5)]
    assert [line[0] for line in lookalike.lines()] == ["🟢", "🔴", "🟢", "🔴", "🟢"]
    end([out])


@pytest.mark.parametrize("answer", [{"parameters": {"retry_after": 0.5}}, {"parameters": {"retry_after": "x"}}, []])
def test_as_long_as_telegram_says_nothing_is_sent(
    lookalike: Lookalike, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr("integrity.alerts.channels.DEFAULT_WAIT", 0.5)
    lookalike.answers = [(429, answer), (500, {})]
    out = quick(Telegram(lookalike.url, TOKEN, "42"))
    for number in range(3):
        out.tell(Message("firing", "k", f"number {number}"))
    wait_until(lambda: len(lookalike.lines()) == 3, 10, "the messages")
    assert lookalike.asked_at[1] - lookalike.asked_at[0] >= 0.5
    assert len([record for record in caplog.records if "did not take" in record.message]) == 1
    end([out])


def test_a_network_that_is_away_holds_nobody_up_and_keeps_the_newest(
    lookalike: Lookalike, caplog: pytest.LogCaptureFixture, free_port: int
) -> None:
    telegram = Telegram(f"http://127.0.0.1:{free_port}", TOKEN, "42")
    out = quick(telegram)
    before = time.monotonic()
    hour_ago = time.time() - 3600
    for number in range(MOST_WAITING * 3):
        out.tell(Message("info", "k", f"number {number}", hour_ago))
    # A pause before each of them would take six seconds.
    assert time.monotonic() - before < 4
    wait_until(lambda: "did not take" in caplog.text, 10, "the reason")
    telegram._url = lookalike.url
    wait_until(lambda: any("number 299" in line for line in lookalike.lines()), 10, "the newest")
    assert MOST_WAITING <= len(lookalike.lines()) <= MOST_WAITING + Telegram.most_at_once
    assert all("told late: this was at" in line for line in lookalike.lines())
    end([out])
    assert "secret" not in caplog.text
    assert caplog.text.count("the oldest are dropped") == 1


def test_a_webhook_gets_each_message_once_though_one_fails(lookalike: Lookalike) -> None:
    out = quick(Webhook(f"{lookalike.url}/hook"))
    lookalike.answers = [(200, {}), (503, {})]
    for number in range(3):
        out.tell(Message("firing", "lag", f"late {number}"))
    wait_until(lambda: len(lookalike.received) == 3, 10, "three posts")
    end([out])
    path, body = lookalike.received[0]
    assert [each["text"] for _, each in lookalike.received] == ["late 0", "late 1", "late 2"]
    assert abs(body.pop("timestamp") - time.time() * 1000) < 60_000
    assert (path, body) == ("/hook", {"source": "dataprovider", "state": "firing", "key": "lag", "text": "late 0"})


def test_the_last_messages_of_channels_that_hang_take_no_longer_than_those_of_one(lookalike: Lookalike) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        silent_ones = [quick(channel) for _ in range(4) for channel in (Telegram(url, TOKEN, "42"), Webhook(url))]
        channels = [*silent_ones, quick(Webhook(lookalike.url))]
        for channel in channels:
            channel.tell(Message("info", "stop", "it stops"))
        before = time.monotonic()
        end(channels, 0.5)
        # One after another, eight of them would take four seconds.
        assert time.monotonic() - before < 2.5
        assert [body["text"] for _, body in lookalike.received] == ["it stops"]


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (401, {"description": f"Unauthorized: {TOKEN}"}, "it answered 401 (Unauthorized: …): check TELEGRAM_BOT_TOKEN"),
        (400, {"description": "Bad Request: chat not found"}, "chat not found): check TELEGRAM_CHAT_ID (the bot must"),
        (502, [], "it answered 502"),
    ],
)
def test_telegram_says_what_to_do(lookalike: Lookalike, status: int, answer: Any, words: str) -> None:
    lookalike.answers = [(status, answer)]
    with pytest.raises(Undelivered) as problem:
        Telegram(lookalike.url, TOKEN, "42").deliver([Message("info", "k", "x")])
    assert words in str(problem.value)
    assert TOKEN not in str(problem.value)


@pytest.mark.parametrize(
    ("password", "words"),
    [(MAIL_PASSWORD, ""), ("a-secret", "refused the login: check user and password in EMAIL_URL")],
)
def test_mail_arrives_or_says_what_to_do(
    settings: Any, free_port: int, open_mailbox: Callable[[], Mailbox], password: str, words: str
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "alerts", password
    mail = Mail("me@localhost", ["you@localhost"])
    message = Message("firing", "k", "it burns\nbadly")
    with pytest.raises(Undelivered, match="check EMAIL_URL"):
        mail.deliver([message])
    mailbox = open_mailbox()
    if words:
        with pytest.raises(Undelivered, match=words) as problem:
            mail.deliver([message])
        assert password not in str(problem.value)
    else:
        mail.deliver([message])
        assert mailbox.mails == [("DataProvider: it burns badly", "firing: it burns\r\nbadly\r\n")]
