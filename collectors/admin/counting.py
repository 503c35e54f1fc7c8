"""Counts in a list's columns: one subquery for each row that is shown, whatever the list is filtered or sorted by."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce


def rows_per(rows: QuerySet[Any], field: str) -> Coalesce:
    """How many of `rows` name the outer query's row in `field`."""
    counts = rows.filter(**{field: OuterRef("pk")}).order_by().values(field).annotate(found=Count("pk"))
    return Coalesce(Subquery(counts.values("found")), 0)
