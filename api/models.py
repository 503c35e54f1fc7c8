"""What Postgres keeps about those who call: API keys."""

from __future__ import annotations

from django.db import models


class Scope(models.TextChoices):
    """What a key may do."""

    READ = "read", "read"
    CONTROL = "control", "read and control"


class ApiKey(models.Model):
    """A key that was given out. The token itself is not kept, only its SHA-256."""

    name = models.CharField(max_length=100, help_text="Who or what uses it.")
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.READ)
    prefix = models.CharField(max_length=16, db_index=True, editable=False)
    hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To about a minute.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
