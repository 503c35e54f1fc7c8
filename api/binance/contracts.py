"""What the exchange's list says of a contract, and how many digits it shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from collectors.contracts import newest_contract
from collectors.directory import NO_DELIVERY_MS
from collectors.models import Symbol, SymbolStatus
from dataprovider.decimals import PLACES, PRODUCT_PLACES

#: What an exchangeInfo answer has besides its time, its limits and its symbols.
_AROUND: dict[str, Any] = {
    "timezone": "UTC",
    "futuresType": "U_MARGINED",
    "exchangeFilters": [],
    "assets": [],
}


@dataclass(frozen=True, slots=True)
class Digits:
    """Decimals that prices and quantities show at least; what needs more digits gets them."""

    price: int = 0
    quantity: int = 0

    def price_text(self, count: int) -> str:
        return _padded(count, PLACES, self.price)

    def quantity_text(self, count: int) -> str:
        return _padded(count, PLACES, self.quantity)

    def quote_text(self, count: int) -> str:
        return _padded(count, PRODUCT_PLACES, self.price + self.quantity)


@dataclass(frozen=True, slots=True)
class Contract:
    """What a face needs to know of one: its digits, and whether it still trades."""

    digits: Digits
    ended: bool


def contract(name: str) -> Contract | None:
    """The newest contract of a ticker, None when the list has none. Blocking."""
    row = newest_contract(name)
    if row is None:
        return None
    digits = Digits(
        price=max(int(row.info.get("pricePrecision", 0)), _decimals(row.tick_size)),
        quantity=max(int(row.info.get("quantityPrecision", 0)), _decimals(row.step_size)),
    )
    return Contract(digits, ended=row.status == SymbolStatus.DELISTED)


def exchange_info(now_ms: int) -> dict[str, Any]:
    """The exchangeInfo answer: every contract that is listed, in the exchange's own words. Blocking."""
    rows = Symbol.objects.exclude(status=SymbolStatus.DELISTED).order_by("id")
    entries = [row.info or _entry(row) for row in rows]
    return {**_AROUND, "rateLimits": _rate_limits(), "serverTime": now_ms, "symbols": entries}


def _rate_limits() -> list[dict[str, Any]]:
    """Weight in the exchange's own numbers (clients want it; it is not enforced here), and the limit that is."""
    minute = {"interval": "MINUTE", "intervalNum": 1}
    limits = [{"rateLimitType": "REQUEST_WEIGHT", **minute, "limit": 2400}]
    if settings.CONFIG.rate_limit_per_minute:
        limits.append({"rateLimitType": "RAW_REQUESTS", **minute, "limit": settings.CONFIG.rate_limit_per_minute})
    return limits


def _entry(row: Symbol) -> dict[str, Any]:
    """The entry of a contract that was listed before its own was kept."""
    return {
        "symbol": row.name,
        "pair": row.pair,
        "contractType": row.contract_type,
        "deliveryDate": NO_DELIVERY_MS if row.delivery_date is None else _milliseconds(row.delivery_date),
        "onboardDate": _milliseconds(row.onboard_date),
        "status": row.status,
        "baseAsset": row.base_asset,
        "quoteAsset": row.quote_asset,
        "marginAsset": row.quote_asset,
        "pricePrecision": _decimals(row.tick_size),
        "quantityPrecision": _decimals(row.step_size),
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": row.tick_size},
            {"filterType": "LOT_SIZE", "stepSize": row.step_size},
        ],
    }


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _padded(count: int, places: int, least: int) -> str:
    whole, fraction = divmod(count, 10**places)
    digits = f"{fraction:0{places}d}"
    shown = digits[:least] + digits[least:].rstrip("0")
    return f"{whole}.{shown}" if shown else str(whole)
