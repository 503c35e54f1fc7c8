"""What people were told of: incidents with their beginning and end, and messages that have none."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Incident(models.Model):
    """Something that needed a person. A summary is one that was over when it began."""

    key = models.CharField(max_length=200, help_text="What it is about; open at most once.")
    text = models.TextField()
    began_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-began_at"]
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=Q(ended_at=None), name="incident_open_once"),
        ]

    def __str__(self) -> str:
        return self.key
