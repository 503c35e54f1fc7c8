"""An export as an answer: the first piece before the status, the others while the client reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar

from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

from api.envelope import failure
from api.export.files import File
from api.export.parameters import Format
from api.store import Store

P = TypeVar("P")

#: Exports under way in one process; each holds a piece in memory and a thread of the store most of the time.
MAX_EXPORTS = 4


class Turns:
    """At most `most` exports at a time."""

    def __init__(self, most: int = MAX_EXPORTS) -> None:
        self._most = most
        self._taken = 0

    def take(self) -> Callable[[], None] | None:
        """A function that gives the turn back, once however often it is called; None when all are taken."""
        if self._taken >= self._most:
            return None
        self._taken += 1
        given_back = False

        def give_back() -> None:
            nonlocal given_back
            if not given_back:
                given_back = True
                self._taken -= 1

        return give_back


async def answer(
    store: Store, turns: Turns, pieces: AsyncIterator[P], file: Callable[[], File[P]], kind: Format, name: str
) -> HttpResponseBase:
    """The file, streamed; 503 when too many are under way already.

    Raises what `pieces` raises before its first piece. What it raises later ends the stream in the middle.
    """
    give_back = turns.take()
    if give_back is None:
        return failure(
            503, "TOO_MANY_EXPORTS", f"{MAX_EXPORTS} exports are under way here already; try again in a moment."
        )
    try:
        first = await anext(pieces, None)
    except BaseException:
        give_back()
        raise

    async def body() -> AsyncIterator[bytes]:
        try:
            async with aclosing(pieces):  # type: ignore[type-var]
                writer = await store.run(file)
                piece = first
                while piece is not None:
                    if data := await store.run(lambda p=piece: writer.piece(p)):  # type: ignore[misc]
                        yield data
                    piece = await anext(pieces, None)
                yield await store.run(writer.end)
        finally:
            give_back()

    response = StreamingHttpResponse(body(), content_type=kind.content_type)
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=f"{name}.{kind}") or "attachment"
    )
    # Django calls these also when the stream was never begun.
    response._resource_closers.append(give_back)  # type: ignore[attr-defined]
    return response
