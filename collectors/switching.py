"""Switching the collection of contracts on and off, for the admin and for REST alike."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from collectors.models import Symbol


def switch(symbols: QuerySet[Symbol], *, enabled: bool) -> int:
    """Have these contracts collected, or not; how many of them were not so before.

    Supervisors read what is wanted once a second, so it takes effect while they run. What is traded between off and on
    becomes a gap, and is fetched. Raises django.db.Error.
    """
    return symbols.exclude(enabled=enabled).update(enabled=enabled, updated_at=timezone.now())
