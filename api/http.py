"""HEAD, OPTIONS and compression for the operations of the API, which are written for GET and POST alone."""

from __future__ import annotations

import zlib
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed

from api.apps import this_app
from api.envelope import failure
from api.failures import AsyncView

#: Shorter answers are sent as they are (bytes).
WORTH_COMPRESSING = 4096
_GZIP = 16 + zlib.MAX_WBITS


def complete(view: AsyncView, *, streams: bool = False) -> AsyncView:
    """The view of an operation, with what HTTP has beyond it.

    HEAD is GET without the body (not of a file that is `streams`-ed), OPTIONS says what is possible, any other method
    is an enveloped 405, and large answers are compressed for who can read that.
    """

    @wraps(view)
    async def completed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        asked = request.method
        if asked == "HEAD" and not streams:
            request.method = "GET"
        response = await view(request, *args, **kwargs)
        request.method = asked
        if isinstance(response, HttpResponseNotAllowed):
            return _not_allowed(request, response["Allow"].split(", "), streams)
        if isinstance(response, HttpResponse) and _reads_gzip(request):
            await _compress(response)
        return response

    return completed


def _not_allowed(request: HttpRequest, methods: list[str], streams: bool) -> HttpResponse:
    if "GET" in methods and not streams:
        methods = [*methods, "HEAD"]
    possible = ", ".join(methods)
    if request.method == "OPTIONS":
        answer = HttpResponse(status=204)
    else:
        answer = failure(405, "METHOD_NOT_ALLOWED", f"{request.method} is not possible here, only {possible}.")
    answer["Allow"] = possible
    return answer


def _reads_gzip(request: HttpRequest) -> bool:
    for each in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, quality = each.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


async def _compress(response: HttpResponse) -> None:
    content = response.content
    if len(content) < WORTH_COMPRESSING or response.has_header("Content-Encoding"):
        return

    def compressed() -> bytes:
        packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
        return packer.compress(content) + packer.flush()

    response.content = await this_app().store.run(compressed)
    response["Content-Encoding"] = "gzip"
    response["Vary"] = "Accept-Encoding"
