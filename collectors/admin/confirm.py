"""An admin action that asks before it does something: the page with the question."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest
from django.template.response import TemplateResponse

from dataprovider.numbers import counted

#: The field of the form's button: with it the answer has come.
ANSWERED = "answered"
MOST_SHOWN = 20

Action = Callable[[Any, HttpRequest, QuerySet[Any]], TemplateResponse | None]


def ask(
    model_admin: admin.ModelAdmin[Any],
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    action: str,
    title: str,
    explanation: str,
    form: Form,
    button: str,
) -> TemplateResponse:
    """The page that shows what is selected, what will happen, and `form`; its button posts to `action` again.

    Where all rows of a list were selected, not only those of its page, these are not named one by one.
    """
    total = queryset.count()
    everything = request.POST.get("select_across") == "1"
    keys = list(queryset.values_list("pk", flat=True)[: 1 if everything else None])
    meta = model_admin.model._meta
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "explanation": explanation,
        "form": form,
        "button": button,
        "answered": ANSWERED,
        "action": action,
        "checkbox": ACTION_CHECKBOX_NAME,
        "everything": everything,
        "keys": keys,
        "shown": list(queryset[:MOST_SHOWN]),
        "more": max(0, total - MOST_SHOWN),
        "selected": counted(total, str(meta.verbose_name)),
        "opts": meta,
        "media": model_admin.media + form.media,
    }
    return TemplateResponse(request, "admin/ask.html", context)


def confirmed(*, title: str, explanation: str, button: str = "") -> Callable[[Action], Action]:
    """Have an action ask first; `button` says what is done, the title unless given."""

    def decorate(function: Action) -> Action:
        @wraps(function)
        def action(
            model_admin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
        ) -> TemplateResponse | None:
            if ANSWERED in request.POST or not queryset.exists():
                return function(model_admin, request, queryset)
            return ask(
                model_admin,
                request,
                queryset,
                action=function.__name__,
                title=title,
                explanation=explanation,
                form=Form(),
                button=button or title,
            )

        return action

    return decorate
