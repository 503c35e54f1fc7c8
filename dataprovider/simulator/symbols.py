"""The list of contracts: from a saved exchangeInfo answer, or made up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.trades import DECIMALS


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract. `tick` and `step` are counts of 10^-8; decimals are how many digits prices and quantities show."""

    symbol: str
    tick: int
    step: int
    price_decimals: int
    quantity_decimals: int
    trading: bool
    #: Its entry of exchangeInfo, as it is sent.
    info: Mapping[str, Any] = field(hash=False, compare=False)

    @property
    def stream_symbol(self) -> str:
        return self.symbol.lower()


@dataclass(frozen=True, slots=True)
class ContractList:
    """All contracts and the rest of the exchangeInfo answer around them."""

    contracts: tuple[Contract, ...]
    around: Mapping[str, Any]

    def exchange_info(self, now_ms: int) -> bytes:
        """The answer of /fapi/v1/exchangeInfo."""
        entries = [dict(contract.info) for contract in self.contracts]
        return orjson.dumps({**self.around, "serverTime": now_ms, "symbols": entries})


def read_exchange_info(path: Path, weight_limit: int) -> ContractList:
    """Contracts from a saved answer of Binance's exchangeInfo, with this exchange's limits. Raises SimulatorError."""
    try:
        found = orjson.loads(path.read_bytes())
        around = {key: value for key, value in found.items() if key not in ("symbols", "serverTime")}
        around["rateLimits"] = around_symbols(weight_limit)["rateLimits"]
        contracts = tuple(contract_of(entry) for entry in found["symbols"])
    except OSError as error:
        raise SimulatorError(f"--symbols: {path} cannot be read ({error.strerror}).") from None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise SimulatorError(f"--symbols: {path} is not a saved answer of /fapi/v1/exchangeInfo.") from None
    if not contracts:
        raise SimulatorError(f"--symbols: {path} lists no symbol.")
    return ContractList(contracts, around)


def contract_of(info: Mapping[str, Any]) -> Contract:
    """The contract of one exchangeInfo entry (the order of its filters varies). Raises KeyError, ValueError."""
    filters = {item["filterType"]: item for item in info["filters"]}
    tick_text, step_text = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
    tick, step = exact(tick_text), exact(step_text)
    if tick <= 0 or step <= 0:
        raise ValueError("tick and step must be above 0")
    return Contract(
        symbol=info["symbol"],
        tick=tick,
        step=step,
        price_decimals=max(int(info["pricePrecision"]), decimals_of(tick)),
        quantity_decimals=max(int(info["quantityPrecision"]), decimals_of(step)),
        trading=info["status"] == "TRADING",
        info=info,
    )


def exact(text: str) -> int:
    """A decimal number as a count of 10^-8. Raises ValueError when it is not one or has more digits."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > DECIMALS and fraction[DECIMALS:].strip("0"):
        raise ValueError(f"{text!r} has more than {DECIMALS} decimals")
    return int(whole + fraction[:DECIMALS].ljust(DECIMALS, "0"))


def decimals_of(value: int) -> int:
    """How many decimals a count of 10^-8 needs to be written exactly."""
    needed = DECIMALS
    while needed and value % 10 == 0:
        value //= 10
        needed -= 1
    return needed


def fingerprint(contracts: Sequence[Contract]) -> str:
    """Equal when the made-up market of these contracts is the same."""
    text = repr([(item.symbol, item.tick, item.step, item.trading) for item in contracts])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def entry(
    symbol: str,
    *,
    price_decimals: int,
    quantity_decimals: int,
    tick: int | None = None,
    pair: str | None = None,
    contract_type: str = "PERPETUAL",
    status: str = "TRADING",
    underlying: str = "COIN",
    onboard_ms: int = 1569398400000,
    delivery_ms: int = 4133404800000,
) -> dict[str, Any]:
    """An exchangeInfo entry in the shape of the real ones (`tick` in units of the last shown digit, default 1)."""
    quote = next((end for end in ("USDT", "USDC", "BTC") if (pair or symbol).endswith(end)), "USDT")
    base = (pair or symbol).removesuffix(quote) or symbol
    step = decimal_text(1, quantity_decimals)
    price_filter = {
        "filterType": "PRICE_FILTER",
        "tickSize": decimal_text(tick or 1, price_decimals),
        "minPrice": decimal_text(tick or 1, price_decimals),
        "maxPrice": "10000000",
    }
    return {
        "symbol": symbol,
        "pair": pair or symbol,
        "contractType": contract_type,
        "deliveryDate": delivery_ms,
        "onboardDate": onboard_ms,
        "status": status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": base,
        "quoteAsset": quote,
        "marginAsset": quote,
        "pricePrecision": price_decimals,
        "quantityPrecision": quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": underlying,
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": [
            price_filter,
            {"filterType": "LOT_SIZE", "minQty": step, "stepSize": step, "maxQty": "1000000"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": step, "stepSize": step, "maxQty": "100000"},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "TAKE_PROFIT", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY", "DCA", "PSB"],
    }


def decimal_text(units: int, decimals: int) -> str:
    """`units` of the last of `decimals` digits, written out: decimal_text(1, 3) is 0.001."""
    if not decimals:
        return str(units)
    whole, fraction = divmod(units, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}"


def around_symbols(weight_limit: int) -> dict[str, Any]:
    """What an exchangeInfo answer has besides its symbols."""
    return {
        "timezone": "UTC",
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight_limit},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        ],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
    }
