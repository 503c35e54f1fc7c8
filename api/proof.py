"""What is proved of the stored trades."""

from __future__ import annotations

import orjson

from api.failures import UnknownSymbol
from api.store import Store
from integrity.checks import coverage


async def certificate(store: Store, symbol: str, from_id: int) -> bytes:
    """A symbol's certificate as JSON. Raises UnknownSymbol, what Store.ask raises, and django.db.Error."""
    # Postgres takes no NUL in text, and no symbol is that long.
    if "\0" in symbol or len(symbol) > 64:
        raise UnknownSymbol(symbol)
    evidence = await store.ask_postgres(lambda: coverage.evidence_of(symbol))
    found = await store.ask(lambda clickhouse: coverage.certificate(clickhouse, symbol, evidence, from_id=from_id))
    if found is None:
        raise UnknownSymbol(symbol)
    return orjson.dumps(found)


async def summary(store: Store) -> tuple[bytes, int]:
    """Every symbol's trust point as a JSON list, and how many there are. Raises django.db.Error."""
    found = await store.ask_postgres(coverage.summary)
    return orjson.dumps(found), len(found)
