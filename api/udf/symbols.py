"""What a chart must know of a contract, and finding contracts by a part of their name. Everything here blocks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from api.udf.resolutions import OFFERED
from collectors.contracts import newest_contract
from collectors.models import Symbol, SymbolStatus
from dataprovider.decimals import PLACES

EXCHANGE = "BINANCE"
TYPE = "crypto"


def symbol_info(name: str) -> dict[str, Any]:
    """The library's LibrarySymbolInfo; of a contract that the list lacks all digits are shown."""
    row = newest_contract(name)
    tick = _step(row.tick_size if row else "")
    step = _step(row.step_size if row else "")
    return {
        "name": name,
        "ticker": name,
        "full_name": f"{EXCHANGE}:{name}",
        "description": _description(row) if row else name,
        "type": TYPE,
        "exchange": EXCHANGE,
        "listed_exchange": EXCHANGE,
        "session": "24x7",
        "timezone": "Etc/UTC",
        "format": "price",
        "minmov": int(tick.scaleb(_decimals(tick))),
        "pricescale": 10 ** _decimals(tick),
        "volume_precision": _decimals(step),
        "has_intraday": True,
        "has_daily": True,
        "has_weekly_and_monthly": True,
        "intraday_multipliers": [each for each in OFFERED if each.isdigit()],
        "supported_resolutions": list(OFFERED),
        "data_status": "streaming",
        "expired": row is not None and row.status == SymbolStatus.DELISTED,
    }


def search(text: str, limit: int) -> list[dict[str, Any]]:
    """The contracts whose name has `text` in it, those that begin with it first."""
    rows = {row.name: row for row in Symbol.objects.filter(name__icontains=text).order_by("name", "onboard_date")}
    found = sorted(rows.values(), key=lambda row: (not row.name.startswith(text.upper()), row.name))
    return [
        {
            "symbol": row.name,
            "ticker": row.name,
            "full_name": f"{EXCHANGE}:{row.name}",
            "description": _description(row),
            "exchange": EXCHANGE,
            "type": TYPE,
        }
        for row in found[:limit]
    ]


def _description(row: Symbol) -> str:
    kind = row.contract_type.lower().replace("_", " ")
    return f"{row.base_asset} / {row.quote_asset} {kind}" if row.base_asset else row.name


def _step(text: str) -> Decimal:
    """A step of prices or quantities, without zeros at its end; the smallest there is when it is not known."""
    return Decimal(text or f"1e-{PLACES}").normalize()


def _decimals(step: Decimal) -> int:
    return max(0, -int(step.as_tuple().exponent))
