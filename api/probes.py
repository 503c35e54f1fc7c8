"""What is asked of the web process by those who watch it: does it live, is it ready, is all well."""

from __future__ import annotations

import time

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Router

from api import examples, shapes
from api.apps import this_app
from api.documenting import answers, example
from api.envelope import success
from api.failures import Refused

router = Router(tags=["monitoring"])

_NOT_READY = "Not ready: clickhouse does not answer; try again in a moment."


@router.get(
    "health",
    response=answers(shapes.HealthAnswer),
    openapi_extra=example(examples.HEALTH, "The system is healthy"),
)
async def health(request: HttpRequest) -> HttpResponse:
    """Whether everything works. Always 200: `status` is healthy, degraded or unhealthy."""
    report = await this_app().health.report()
    return success(orjson.dumps(report), f"The system is {report['status']}")


@router.get(
    "live",
    response=answers(shapes.LiveAnswer),
    openapi_extra=example(examples.LIVE, "This process answers"),
)
async def live(request: HttpRequest) -> HttpResponse:
    """Whether this web process answers; no service is asked. No answer: start it again."""
    uptime = int(time.monotonic() - this_app().started)
    return success(orjson.dumps({"status": "alive", "uptime_seconds": uptime}), "This process answers")


@router.get(
    "ready",
    response=answers(shapes.ReadyAnswer),
    openapi_extra=example(examples.READY, "Every service answers", own={503: ("NOT_READY", _NOT_READY)}),
)
async def ready(request: HttpRequest) -> HttpResponse:
    """Whether ClickHouse, Postgres and Valkey answer: 503 names those that do not.."""
    away = await this_app().health.away()
    if away:
        said = f"{', '.join(away)} {'does' if len(away) == 1 else 'do'} not answer"
        raise Refused(503, "NOT_READY", f"Not ready: {said}; try again in a moment.")
    return success(orjson.dumps({"status": "ready"}), "Every service answers")
