"""What admin pages have in common: who may not act is refused, and rows that the program keeps are only looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from collectors.models import Symbol

#: In a list's address: the rows of one symbol.
OF_SYMBOL = "symbol__id__exact"


class Operated(admin.ModelAdmin[Any]):
    """A list with actions. One that somebody may not take is not offered to them, and refused when it comes anyway.

    What was done to a row, and by whom, is in its history (`remember`).
    """

    #: Who may take the actions.
    operated_by = "somebody of the group operators"

    def remember(self, request: HttpRequest, rows: Iterable[Model], what: str) -> None:
        """Write down that this user did it to these rows. Raises django.db.Error."""
        assert request.user.pk is not None
        LogEntry.objects.log_actions(request.user.pk, list(rows), CHANGE, what)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list; 403 for an action that is not this user's. Of one symbol's rows the title says whose they are."""
        if request.method == "POST":
            offered = self.get_actions(request)
            if any(action and action not in offered for action in request.POST.getlist("action")):
                raise PermissionDenied(f"Your user may not do that: it takes {self.operated_by}.")
        symbol = request.GET.get(OF_SYMBOL, "")
        name = Symbol.objects.filter(pk=symbol).values_list("name", flat=True).first() if symbol.isdecimal() else None
        plural = str(self.opts.verbose_name_plural)
        title = plural[:1].upper() + plural[1:] + (f" of {name}" if name else "")
        return super().changelist_view(request, {"title": title, **(extra_context or {})})


class ReadOnly(Operated):
    """Rows that the program keeps: to look at, not to edit."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
