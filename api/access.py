"""A line in the log for each HTTP request: who asked for what, the answer's status, how long it took. No query: it may
hold a key.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from api.pacing import Application, Message, Receive, Send

logger = logging.getLogger(__name__)

#: Of a path that is no path of ours the beginning is enough (characters).
LONGEST_PATH = 500


def logged(application: Application) -> Application:
    """The HTTP application, each of its answers written to the log when it is whole or broke off."""

    async def answering(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        began, status = time.monotonic(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await application(scope, receive, sending)
        finally:
            client = (scope.get("client") or ["-"])[0]
            path = scope["path"][:LONGEST_PATH]
            took = 1000 * (time.monotonic() - began)
            logger.info("%s %s %s %s %.0f ms", client, scope["method"], path, status or "broke off", took)

    return answering
