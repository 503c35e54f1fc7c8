"""The address that Prometheus scrapes."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from api.apps import this_app
from api.metrics.take import take


@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    """Always 200: a service that is away is a figure too."""
    return HttpResponse(await take(this_app(), settings.CONFIG), content_type=CONTENT_TYPE_LATEST)
