"""Made-up contracts in the real mixture: majors, quarterlies, stocks, non-ASCII names, coming and leaving ones."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from dataprovider.simulator.symbols import ContractList, around_symbols, contract_of, entry

#: symbol, price decimals, tick in units of the last digit, quantity decimals
MAJORS: tuple[tuple[str, int, int, int], ...] = (
    ("BTCUSDT", 2, 10, 3),
    ("ETHUSDT", 2, 1, 3),
    ("SOLUSDT", 4, 100, 2),
    ("XRPUSDT", 4, 1, 1),
    ("BNBUSDT", 3, 10, 2),
    ("DOGEUSDT", 6, 10, 0),
    ("ADAUSDT", 5, 10, 0),
    ("LINKUSDT", 3, 1, 2),
    ("SUIUSDT", 6, 100, 1),
    ("AVAXUSDT", 4, 10, 0),
    ("LTCUSDT", 2, 1, 3),
    ("1000PEPEUSDT", 7, 1, 0),
)
NON_ASCII = ("币安人生USDT", "我踏马来了USDT", "龙虾USDT")
TRADIFI = ("TSLAUSDT", "XAUUSDT", "NVDAUSDT")
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "ki", "lo", "mu", "na", "pe", "ri", "so", "ta", "vu", "xe", "yo", "zi")


def made_up_contracts(count: int, now_ms: int, weight_limit: int) -> ContractList:
    """`count` contracts. Up to 12 are majors only; from 24 on every kind is there. Quarterlies follow the date."""
    entries = [
        entry(symbol, price_decimals=decimals, tick=tick, quantity_decimals=quantity)
        for symbol, decimals, tick, quantity in MAJORS
    ]
    entries += _special(now_ms)
    entries += _ordinary(max(0, count - len(entries)))
    return ContractList(tuple(contract_of(item) for item in entries[:count]), around_symbols(weight_limit))


def _special(now_ms: int) -> list[dict[str, Any]]:
    near, far = _deliveries(now_ms)
    quarterlies = [
        _quarterly(pair, kind, delivery)
        for pair in ("BTCUSDT", "ETHUSDT")
        for kind, delivery in (("CURRENT_QUARTER", near), ("NEXT_QUARTER", far))
    ]
    tradifi = [
        entry(symbol, price_decimals=2, quantity_decimals=2, contract_type="TRADIFI_PERPETUAL", underlying=kind)
        for symbol, kind in zip(TRADIFI, ("EQUITY", "COMMODITY", "EQUITY"), strict=True)
    ]
    non_ascii = [entry(symbol, price_decimals=5, quantity_decimals=0) for symbol in NON_ASCII]
    coming = entry("NEXTUSDT", price_decimals=4, quantity_decimals=0, status="PENDING_TRADING")
    leaving = entry("GONEUSDT", price_decimals=4, quantity_decimals=0, status="SETTLING")
    return [quarterlies[0], tradifi[0], *non_ascii, coming, leaving, *quarterlies[1:], *tradifi[1:]]


def _quarterly(pair: str, kind: str, delivery: datetime) -> dict[str, Any]:
    onboard = delivery - timedelta(days=190)
    return entry(
        f"{pair}_{delivery:%y%m%d}",
        price_decimals=1,
        quantity_decimals=3,
        pair=pair,
        contract_type=kind,
        onboard_ms=int(onboard.timestamp() * 1000),
        delivery_ms=int(delivery.timestamp() * 1000),
    )


def _deliveries(now_ms: int) -> tuple[datetime, datetime]:
    """The next two quarterly deliveries: last Friday of March, June, September, December, 08:00 UTC."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    found = []
    for year in (now.year, now.year + 1):
        for month in (3, 6, 9, 12):
            first_of_next = datetime(year + month // 12, month % 12 + 1, 1, 8, tzinfo=UTC)
            last = first_of_next - timedelta(days=1)
            delivery = last - timedelta(days=(last.weekday() - 4) % 7)
            if delivery > now:
                found.append(delivery)
    return found[0], found[1]


def _ordinary(count: int) -> list[dict[str, Any]]:
    names = random.Random("names of coins")
    shapes = random.Random("shapes of coins")
    taken: dict[str, None] = {}
    while len(taken) < count:
        taken["".join(names.choices(SYLLABLES, k=names.choice((2, 2, 3)))).upper() + "USDT"] = None
    return [
        entry(symbol, price_decimals=shapes.choice((2, 3, 4, 5, 6)), quantity_decimals=shapes.choice((0, 0, 1, 2)))
        for symbol in taken
    ]
