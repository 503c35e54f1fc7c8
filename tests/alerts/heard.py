"""What people were told, by each channel."""

from __future__ import annotations

from collections import Counter

from tests.alerts.lookalike import Lookalike, Mailbox
from tests.waiting import wait_until

SIGNS = {"🔴": "firing", "🟢": "resolved", "ℹ": "info"}


class Heard:
    """The same messages must come by all three; the webhook's have their keys."""

    def __init__(self, telegram: Lookalike, hook: Lookalike) -> None:
        self._telegram, self._hook = telegram, hook

    def states(self) -> Counter[tuple[str, str]]:
        """(state, key) -> how often it came."""
        return Counter((body["state"], body["key"]) for _, body in self._hook.received)

    def text(self, state: str, key: str) -> str:
        return next(
            str(body["text"]) for _, body in self._hook.received if (body["state"], body["key"]) == (state, key)
        )

    def wait(self, state: str, *keys: str, seconds: float = 30) -> None:
        """Until each of these was told."""
        wanted = {(state, key) for key in keys}
        wait_until(lambda: wanted <= self.states().keys(), seconds, f"{wanted}, told was {self.states()}")

    def by_webhook(self) -> Counter[str]:
        return Counter(f"{body['state']}: {body['text']}" for _, body in self._hook.received)

    def by_telegram(self) -> Counter[str]:
        return Counter(f"{SIGNS[line[0]]}: {line.partition(' ')[2]}" for line in self._telegram.lines())

    @staticmethod
    def by_mail(mailbox: Mailbox) -> Counter[str]:
        return Counter(mailbox.lines())
