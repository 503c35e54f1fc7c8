"""What daphne takes in: it waits for a slow request for ever, and takes a body of any length into memory.

Here a request has so many seconds to arrive and so many bytes, and what daphne refuses by itself is said in JSON.
"""

from __future__ import annotations

from typing import Any

import daphne.server
from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet import reactor as installed

from api.security.refusals import refused

#: Twisted's type of it says less than it can.
reactor: Any = installed

#: As much as Django's admin takes in a form (DATA_UPLOAD_MAX_MEMORY_SIZE); nothing here wants as much.
MOST_BODY_BYTES = 2_621_440
#: Who goes on sending after that is cut off.
MOST_DISCARDED_BYTES = 64_000_000
#: From the connection, or the answer before, until a request is there as a whole; twisted closes what is idle for 60.
REQUEST_SECONDS = 75.0


class _Deadline:
    """Ends a connection whose request does not come."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._call: Any = None
        self.start()

    def start(self) -> None:
        self.stop()
        self._call = reactor.callLater(REQUEST_SECONDS, self._end)

    def stop(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _end(self) -> None:
        # Twisted's protocol does not show it, and before the first line there is no request to ask.
        transport = self._protocol._channel.transport
        if transport is not None:
            transport.abortConnection()


class _BoundedRequest(WebRequest):  # type: ignore[misc]
    """One request, of a connection that has a deadline."""

    def __init__(self, deadline: _Deadline, *args: Any, **kwargs: Any) -> None:
        self._deadline = deadline
        self._received = 0
        super().__init__(*args, **kwargs)

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        # What is refused is not kept, wherever its length would have it kept.
        super().gotLength(length if length is None else min(length, MOST_BODY_BYTES))

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        self._received += len(data)
        if self._received <= MOST_BODY_BYTES:
            super().handleContentChunk(data)
        elif self._received > MOST_DISCARDED_BYTES:
            self.channel.forceAbortClient()

    def process(self) -> Any:
        self._deadline.stop()
        if self._received > MOST_BODY_BYTES:
            self.basic_error(413, b"Content Too Large", f"A request may have {MOST_BODY_BYTES:,} bytes")
            return None
        return super().process()

    def finish(self) -> None:
        super().finish()
        self._deadline.start()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self._deadline.stop()
        super().connectionLost(reason)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """A refusal of daphne's own, in the form that the path's callers expect."""
        if self._response_started:
            # What was sent of another answer must not look whole.
            if self.channel is not None:
                self.channel.forceAbortClient()
            return
        error = status_text.decode("ascii").upper().replace(" ", "_")
        path = (self.path or b"/").decode("latin-1")
        answer = refused(path, status, error, f"{body.rstrip('.')}.")
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(answer.content)).encode())]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": answer.content})


class _BoundedFactory(HTTPFactory):  # type: ignore[misc]
    """Gives each connection its deadline."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        protocol = super().buildProtocol(addr)
        deadline = _Deadline(protocol)
        protocol.requestFactory = lambda *args, **kwargs: _BoundedRequest(deadline, *args, **kwargs)
        return protocol


def bound() -> None:
    """From here on daphne, which imports the application before it listens, takes in no more than that."""
    daphne.server.HTTPFactory = _BoundedFactory
