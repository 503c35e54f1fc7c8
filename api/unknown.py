"""A query parameter that an endpoint does not have is an error: what is misspelt must not be ignored."""

from __future__ import annotations

import re
from functools import cache, wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from ninja import NinjaAPI

from api.envelope import failure
from api.failures import AsyncView


def refusing_unknown_parameters(api: NinjaAPI, route: str, view: AsyncView) -> AsyncView:
    """The view of one of `api`'s routes, behind a 400 for parameters that it does not have or that come twice."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)

    @wraps(view)
    async def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        known = _query_parameters(api).get((path, str(request.method)))
        wrong = [] if known is None else _complaints(request, known)
        if wrong:
            return failure(400, "INVALID_PARAMETER", "; ".join(wrong[:5]))
        return await view(request, *args, **kwargs)

    return checked


def _complaints(request: HttpRequest, known: list[str]) -> list[str]:
    possible = f"possible: {', '.join(known)}" if known else "none is possible"
    unknown = [f"{name[:40]}: is no parameter here ({possible})" for name in request.GET if name not in known]
    twice = [f"{name}: comes twice" for name, values in request.GET.lists() if name in known and len(values) > 1]
    return unknown + twice


@cache
def _query_parameters(api: NinjaAPI) -> dict[tuple[str, str], list[str]]:
    """The names of each path's and method's parameters, as the OpenAPI document has them."""
    return {
        (path.removeprefix("/"), method.upper()): [
            each["name"] for each in operation["parameters"] if each["in"] == "query"
        ]
        for path, operations in api.get_openapi_schema(path_prefix="")["paths"].items()
        for method, operation in operations.items()
    }
