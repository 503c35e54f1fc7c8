"""Links between the lists of the admin."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def list_address(model: str, **filters: object) -> str:
    """The address of a list, filtered. `model`: app_model, as in the admin's addresses."""
    query = urlencode(filters)
    return reverse(f"admin:{model}_changelist") + (f"?{query}" if query else "")


def list_link(model: str, text: object, **filters: object) -> SafeString:
    """A link to another list, filtered; `model` as above."""
    return format_html('<a href="{}">{}</a>', list_address(model, **filters), text)


def row_link(row: Model, text: object) -> SafeString:
    """A link to the page of one row."""
    meta = row._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', address, text)
