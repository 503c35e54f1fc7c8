"""`manage.py testalerts`: whether a message arrives through each channel that is set up."""

from __future__ import annotations

import socket
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrity.alerts.book import Message
from integrity.alerts.channels import attempt, channels_of
from integrity.alerts.rules import trial


class Command(BaseCommand):
    requires_system_checks = []
    help = (
        "Send a test message through every channel that is set up (TELEGRAM_ENABLED, ALERT_WEBHOOK_URL, "
        "ALERT_EMAIL_TO), and say of each whether it was taken. No service and no running system is needed. "
        "Exit status: 0 every channel took it, 1 not, or none is set up."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        channels = channels_of(settings.CONFIG)
        if not channels:
            raise CommandError(
                "No channel is set up: set TELEGRAM_ENABLED (with TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID), "
                "ALERT_WEBHOOK_URL or ALERT_EMAIL_TO (with EMAIL_URL); .env.example explains them."
            )
        text = trial(socket.gethostname())
        failed = 0
        for channel in channels:
            problem = attempt(channel, [Message("info", "test", text, time.time())])
            failed += problem is not None
            took = f"did not take the test message: {problem}" if problem else "took the test message"
            self.stdout.write(f"{channel.name} {took}.")
        if failed:
            raise SystemExit(1)
