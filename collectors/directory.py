"""Which contracts there are and which are collected: exchangeInfo into Symbol rows, Symbol rows into shards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import models, transaction
from django.db.models import QuerySet

from collectors.models import Symbol, SymbolStatus
from dataprovider.clickhouse.shards import shard_of

#: deliveryDate of a contract that never ends (exchangeInfo).
NO_DELIVERY_MS = 4_133_404_800_000
#: A contract about to trade is streamed already, so that its first trade is not missed.
COLLECTED = (SymbolStatus.TRADING, SymbolStatus.PENDING_TRADING)

MOST_NAME = 64
_UNSAFE = frozenset("/\\ '\"<>`")

_FIELDS = (
    "delivery_date",
    "contract_type",
    "status",
    "pair",
    "base_asset",
    "quote_asset",
    "tick_size",
    "step_size",
    "info",
)


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a synchronisation changed. `skipped`: entries that could not be read."""

    listed: int
    added: int
    changed: int
    delisted: int
    skipped: int


def sync_symbols(entries: Iterable[Mapping[str, Any]]) -> SyncResult:
    """Bring the Symbol rows in line with the `symbols` of an exchangeInfo answer.

    New contracts are enabled; `enabled` of known ones is the user's and never touched. One that is no longer listed,
    or whose ticker was given to a new contract, becomes DELISTED; rows are never deleted.
    """
    listed: dict[tuple[str, datetime], Symbol] = {}
    skipped = 0
    for entry in entries:
        try:
            symbol = _symbol(entry)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            skipped += 1
            continue
        listed[symbol.name, symbol.onboard_date] = symbol
    added, changed = [], []
    with transaction.atomic():
        known = {(row.name, row.onboard_date): row for row in Symbol.objects.select_for_update()}
        for key, symbol in listed.items():
            row = known.get(key)
            if row is None:
                added.append(symbol)
            elif any(getattr(row, name) != getattr(symbol, name) for name in _FIELDS):
                for name in _FIELDS:
                    setattr(row, name, getattr(symbol, name))
                changed.append(row)
        gone = [row for key, row in known.items() if key not in listed and row.status != SymbolStatus.DELISTED]
        # An answer without contracts is an accident of the exchange, not the end of all of them.
        gone = gone if listed else []
        for row in gone:
            row.status = SymbolStatus.DELISTED
        Symbol.objects.bulk_create(added)
        Symbol.objects.bulk_update([*changed, *gone], _FIELDS)
    return SyncResult(len(listed), len(added), len(changed), len(gone), skipped)


def to_collect(only: Collection[str] = ()) -> QuerySet[Symbol]:
    """Contracts to collect: enabled, trading or about to, and in `only` (LOAD_ONLY_TICKERS) when that is not empty."""
    query = Symbol.objects.filter(enabled=True, status__in=COLLECTED)
    return query.filter(name__in=only) if only else query


def wanted_symbols(only: Collection[str] = ()) -> dict[int, frozenset[str]]:
    """Shard -> names to collect."""
    shards: dict[int, set[str]] = {}
    for name, shard in to_collect(only).values_list("name", "shard"):
        shards.setdefault(shard, set()).add(name)
    return {shard: frozenset(found) for shard, found in shards.items()}


def unlisted(only: Collection[str]) -> list[str]:
    """Names in `only` that no contract has: slips, as a rule. Raises django.db.Error."""
    return sorted(set(only) - set(Symbol.objects.filter(name__in=only).values_list("name", flat=True)))


def _symbol(entry: Mapping[str, Any]) -> Symbol:
    name = str(entry["symbol"])
    # It becomes a file's name and a row's key: no path, no blanks, nothing that Postgres does not take.
    if not 0 < len(name) <= MOST_NAME or not name.isprintable() or not _UNSAFE.isdisjoint(name) or not name.strip("."):
        raise ValueError("not a symbol")
    if b"\\u0000" in orjson.dumps(entry):
        raise ValueError("Postgres takes no NUL")
    status = str(entry["status"])
    # The order of the filters varies.
    filters = {str(each.get("filterType")): each for each in entry.get("filters", [])}
    found = Symbol(
        name=name,
        shard=shard_of(name),
        onboard_date=_time(entry["onboardDate"]),
        delivery_date=None if entry["deliveryDate"] == NO_DELIVERY_MS else _time(entry["deliveryDate"]),
        contract_type=str(entry["contractType"]),
        status=status if status in SymbolStatus.values else SymbolStatus.OTHER,
        pair=str(entry.get("pair", "")),
        base_asset=str(entry.get("baseAsset", "")),
        quote_asset=str(entry.get("quoteAsset", "")),
        tick_size=str(filters.get("PRICE_FILTER", {}).get("tickSize", "")),
        step_size=str(filters.get("LOT_SIZE", {}).get("stepSize", "")),
        info=dict(entry),
    )
    for field in Symbol._meta.fields:
        if isinstance(field, models.CharField) and len(getattr(found, field.name)) > (field.max_length or 0):
            raise ValueError(f"its {field.name} is too long")
    return found


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
