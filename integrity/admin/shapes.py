"""Small pieces of HTML that several pages show."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def progress_bar(done: float, total: int, label: str = "") -> SafeString:
    """A bar that a screen reader can read, too."""
    share = 0 if not total else min(100, round(100 * done / total))
    return format_html(
        '<progress value="{}" max="{}" style="width:8rem" aria-label="progress">{} %</progress> {} % {}',
        round(done, 3) if done % 1 else int(done),
        max(total, 1),
        share,
        share,
        label,
    )


def duration(seconds: float) -> str:
    """About how long, for people: 45 s, 12 min, 3 h 20 min, 2 d 4 h."""
    span = timedelta(seconds=round(seconds))
    hours, rest = divmod(span.seconds, 3600)
    if span.days:
        return f"{span.days} d {hours} h"
    if hours:
        return f"{hours} h {rest // 60} min"
    return f"{rest // 60} min" if rest >= 120 else f"{rest} s"


def list_link(model: str, text: object, **filters: object) -> SafeString:
    """A link to another list, filtered. `model`: app_model, as in the admin's addresses."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return format_html('<a href="{}?{}">{}</a>', reverse(f"admin:{model}_changelist"), query, text)
