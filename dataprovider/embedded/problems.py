"""What can go wrong with an embedded service, as a sentence for the user."""

from __future__ import annotations


class ServiceProblem(Exception):
    """An embedded service cannot run here; `str()` is one sentence that says why and what to do."""
