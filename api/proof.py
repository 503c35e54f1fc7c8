"""What is proved of the stored trades."""

from __future__ import annotations

import orjson

from api.failures import UnknownSymbol
from api.store import Store
from integrity.checks import coverage
from integrity.models import IntegrityRun


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


async def summary(store: Store, *, checks: bool) -> tuple[bytes, str]:
    """Every symbol's trust point as a JSON list, and how many there are as a sentence. Raises django.db.Error.

    checks: ENABLE_INTEGRITY_CHECKS.
    """
    found, run = await store.ask_postgres(lambda: (coverage.summary(), IntegrityRun.objects.first()))
    message = f"Retrieved {len(found)} symbols"
    if not found:
        message = "No symbol is checked yet: " + _why_not(run, checks=checks)
    return orjson.dumps(found), message


def _why_not(run: IntegrityRun | None, *, checks: bool) -> str:
    if not checks:
        return "ENABLE_INTEGRITY_CHECKS is off."
    if run is None:
        return "the first check has not begun; collectors make one soon after they have started."
    if run.finished_at is None:
        return "the first check is under way."
    return "when the last check was made nothing was stored of any; the next one follows within a minute."
