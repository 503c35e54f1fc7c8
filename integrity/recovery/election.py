"""One process at a time does what must be done once for all hosts. Times are Postgres' own."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from integrity.models import Duty

DUTY_SECONDS = 15


def take_or_keep(name: str, owner: str) -> bool:
    """Whether the duty `name` is this owner's for the next DUTY_SECONDS; call it every few seconds to keep it.

    Raises django.db.Error while Postgres is away.
    """
    until = Now() + timedelta(seconds=DUTY_SECONDS)
    mine_or_free = Duty.objects.filter(Q(owner=owner) | Q(expires_at__lt=Now()), name=name)
    if mine_or_free.update(owner=owner, expires_at=until):
        return True
    if Duty.objects.filter(name=name).exists():
        return False
    _, made = Duty.objects.get_or_create(name=name, defaults={"owner": owner, "expires_at": until})
    return made


def give_up(name: str, owner: str) -> None:
    """Let another take it at once."""
    Duty.objects.filter(name=name, owner=owner).delete()
