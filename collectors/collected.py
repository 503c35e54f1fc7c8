"""Whether a contract is being collected now: then its newest trades belong to a worker."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.functions import Now

from collectors.directory import COLLECTED
from collectors.models import ShardLease, Symbol


def is_collected(symbol: Symbol, only: Iterable[str] = ()) -> bool:
    """Whether it is to be collected (and in `only`, when that is not empty) and somebody holds its shard's lease.

    Raises django.db.Error while Postgres is away.
    """
    names = set(only)
    wanted = Symbol.objects.filter(pk=symbol.pk, enabled=True, status__in=COLLECTED).exists()
    if not wanted or (names and symbol.name not in names):
        return False
    return ShardLease.objects.filter(shard=symbol.shard, expires_at__gt=Now()).exists()
