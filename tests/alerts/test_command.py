"""`manage.py testalerts`: a message through each channel, a sentence about each, and an exit status."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.alerts.lookalike import TOKEN, Lookalike


@pytest.fixture
def out() -> StringIO:
    return StringIO()


def test_each_channel_is_tried_and_said(
    settings: Any, lookalike: Lookalike, hook: Lookalike, out: StringIO, free_port: int
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port
    two = {
        "telegram_enabled": True,
        "telegram_bot_token": TOKEN,
        "telegram_chat_id": "42",
        "telegram_api_url": lookalike.url,
        "alert_webhook_url": hook.url,
    }
    settings.CONFIG = settings.CONFIG.model_copy(update=two)
    call_command("testalerts", stdout=out)
    assert out.getvalue() == "Telegram took the test message.\nThe webhook took the test message.\n"
    assert lookalike.lines()[0].startswith("ℹ️ A test of DataProvider's alerts from ")
    assert hook.received[0][1]["key"] == "test"

    settings.CONFIG = settings.CONFIG.model_copy(update={"alert_email_to": ("you@example.com",)})
    hook.answers = [(404, {})]
    out.truncate(0)
    with pytest.raises(SystemExit) as ended:
        call_command("testalerts", stdout=out)
    assert ended.value.code == 1
    said = out.getvalue().strip("\x00").splitlines()
    assert said[0] == "Telegram took the test message."
    assert said[1] == "The webhook did not take the test message: it answered 404: check ALERT_WEBHOOK_URL."
    assert said[2].startswith("E-mail did not take the test message: the mail server does not take it (Connection")


def test_without_a_channel_it_says_what_to_set() -> None:
    with pytest.raises(CommandError, match="No channel is set up: set TELEGRAM_ENABLED"):
        call_command("testalerts")
