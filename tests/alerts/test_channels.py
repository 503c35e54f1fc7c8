"""Delivery: tried again, in order, never with a secret in the log, and never in the way."""

from __future__ import annotations

import smtplib
import socket
import time
from typing import Any

import pytest

from collectors.backoff import Backoff
from integrity.alerts.book import Message
from integrity.alerts.channels import MOST_WAITING, Outgoing, Telegram, Webhook
from tests.alerts.lookalike import TOKEN, Lookalike
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
    out.stop()


def test_a_channel_that_refuses_is_tried_again_once_it_takes_messages(
    lookalike: Lookalike, caplog: pytest.LogCaptureFixture
) -> None:
    lookalike.answers = [(500, {}), (429, {"parameters": {"retry_after": 0.1}}), (502, {})]
    out = quick(Telegram(lookalike.url, TOKEN, "42"))
    out.tell(Message("firing", "k", "it burns"))
    wait_until(lambda: lookalike.lines() == ["🔴 it burns"], 10, "the message")
    out.stop()
    assert len([record for record in caplog.records if "did not take" in record.message]) == 1


def test_a_network_that_is_away_holds_nobody_up_and_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    out = quick(Telegram(f"http://127.0.0.1:{port}", TOKEN, "42"))
    before = time.monotonic()
    for number in range(MOST_WAITING * 3):
        out.tell(Message("info", "k", f"number {number}"))
    assert time.monotonic() - before < 2
    wait_until(lambda: "did not take" in caplog.text, 10, "the reason")
    out.stop(1.0)
    assert "secret" not in caplog.text


def test_a_webhook_gets_one_post_a_message(lookalike: Lookalike) -> None:
    out = quick(Webhook(f"{lookalike.url}/hook"))
    out.tell(Message("firing", "lag", "late"))
    wait_until(lambda: lookalike.received, 10, "a post")
    out.stop()
    path, body = lookalike.received[0]
    assert path == "/hook"
    assert {key: body[key] for key in ("source", "state", "key", "text")} == {
        "source": "dataprovider",
        "state": "firing",
        "key": "lag",
        "text": "late",
    }
    assert abs(body["timestamp"] - time.time() * 1000) < 60_000


def test_mail_that_cannot_be_sent_is_a_reason_and_no_crash(settings: Any) -> None:
    from integrity.alerts.channels import Mail, Undelivered

    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_HOST_PASSWORD = "127.0.0.1", 1, "a-secret"
    with pytest.raises(Undelivered) as problem:
        Mail("me@localhost", ["you@localhost"]).deliver([Message("firing", "k", "it burns")])
    assert "a-secret" not in str(problem.value)
    assert issubclass(smtplib.SMTPException, OSError)
