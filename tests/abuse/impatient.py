"""The web process's application, with less patience than it has: what takes a minute there takes a second here."""

from __future__ import annotations

from api import intake

intake.REQUEST_SECONDS = 1.0

from dataprovider.asgi import application  # noqa: E402

__all__ = ["application"]
