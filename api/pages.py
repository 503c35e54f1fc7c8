"""Pages of one sentence, for people whose browser asked for what cannot be shown."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.db.utils import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.decorators import sync_and_async_middleware

logger = logging.getLogger(__name__)

#: When to ask again (seconds) while a service is away.
RETRY_AFTER = 5


def page(status: int, title: str, text: str, address: str = "", link: str = "") -> HttpResponse:
    """A page that needs no service: a title, a sentence that says what to do, and perhaps a link."""
    context = {"title": title, "text": text, "address": address, "link": link}
    return HttpResponse(render_to_string("sentence.html", context), status=status)


@sync_and_async_middleware
def without_postgres(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware: a page that wants Postgres says that it is away, with 503, instead of failing."""
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> Any:
            return await get_response(request)

        middleware: Any = asynchronous
    else:

        def synchronous(request: HttpRequest) -> Any:
            return get_response(request)

        middleware = synchronous
    middleware.process_exception = _postgres_away
    return middleware  # type: ignore[no-any-return]


def _postgres_away(request: HttpRequest, error: Exception) -> HttpResponse | None:
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    logger.warning("%s answered 503: Postgres: %s", request.path, str(error).strip().partition("\n")[0])
    text = (
        "Postgres does not answer, and this page is made of what it knows. Collection goes on meanwhile. Start it, or "
        "look at its log; then load this page again."
    )
    response = page(503, "Postgres is away", text, "/", "The dashboard shows what the other services know")
    response["Retry-After"] = str(RETRY_AFTER)
    return response
