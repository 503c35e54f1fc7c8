"""The ASGI application of the exchange's stream addresses."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

import orjson

from api.apps import this_app
from api.binance.streams.talk import StreamTalk
from api.security.websocket import Receive, Scope, Send
from api.streaming.endpoint import serve
from api.streaming.outbox import Outbox


async def combined(scope: Scope, receive: Receive, send: Send) -> None:
    """/stream?streams=a/b: each event comes with the name of its stream."""
    query = parse_qs((scope.get("query_string") or b"").decode("latin-1"))
    await _serve(scope, receive, send, "/".join(query.get("streams", ())), wrapped=True)


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """/ws/a/b: events alone."""
    names = scope["url_route"]["kwargs"].get("names") or ""
    await _serve(scope, receive, send, names, wrapped=False)


async def _serve(scope: Scope, receive: Receive, send: Send, names: str, *, wrapped: bool) -> None:
    app = this_app()
    talks: list[StreamTalk] = []

    def begin(outbox: Outbox) -> StreamTalk:
        talk = StreamTalk(app.hub, app.trades, app.store, outbox, wrapped=wrapped, most_streams=app.most_subscriptions)
        talks.append(talk)
        return talk

    async def subscribe(outbox: Outbox) -> None:
        await talks[0].begin(name for name in names.split("/") if name)
        await asyncio.Event().wait()

    await serve(scope, receive, send, begin=begin, beside=subscribe, error_text=_error_text)


def _error_text(sentence: str) -> str:
    return orjson.dumps({"error": {"code": 4, "msg": sentence}}).decode()
