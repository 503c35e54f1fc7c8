"""An admin action that asks something before it does it: the page with the question."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest
from django.template.response import TemplateResponse

#: The field of the form's button: with it the answer has come.
ANSWERED = "answered"
MOST_SHOWN = 20


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
    """The page that shows what is selected, what will happen, and `form`; its button posts to `action` again."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "explanation": explanation,
        "form": form,
        "button": button,
        "answered": ANSWERED,
        "action": action,
        "checkbox": ACTION_CHECKBOX_NAME,
        "selected": list(queryset),
        "shown": list(queryset[:MOST_SHOWN]),
        "opts": model_admin.model._meta,
        "media": model_admin.media + form.media,
    }
    return TemplateResponse(request, "admin/integrity/ask.html", context)
