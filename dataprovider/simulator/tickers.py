"""The 24 hour statistics of a contract, as /fapi/v1/ticker/24hr gives them."""

from __future__ import annotations

from dataprovider.simulator.market import Market
from dataprovider.simulator.symbols import Contract
from dataprovider.simulator.trades import DECIMALS, UNIT, Trades, joined, no_trades

DAY_MS = 86_400_000
#: High, low and volumes of busy contracts are estimated from this many samples of so many trades; ids, counts, first
#: and last prices are exact.
SAMPLES = 4
SAMPLE_TRADES = 50


def ticker(market: Market, contract: Contract, now_ms: int) -> dict[str, object]:
    """One entry. `lastId` is the last trade id, as on Binance: not an aggregate id."""
    symbol = contract.symbol
    _, end_id = market.ids(symbol, now_ms)
    last = market.latest(symbol, 1, end_id)
    begin_id = market.first_id_since(symbol, now_ms - DAY_MS, now_ms)
    first = _some(market, symbol, begin_id, min(begin_id + 1, end_id))
    if not len(last):
        return {
            "symbol": symbol,
            "firstId": -1,
            "lastId": -1,
            "count": 0,
            "openTime": now_ms - DAY_MS,
            "closeTime": now_ms,
        }
    opening = first if len(first) else last
    sample = _sample(market, symbol, begin_id, end_id)
    aggregates = end_id - begin_id
    scale = aggregates / len(sample) if len(sample) else 0.0
    volume = float(sample.quantity.sum()) / UNIT * scale
    quote = float((sample.price / UNIT * (sample.quantity / UNIT)).sum()) * scale
    prices = [int(opening.price[0]), int(last.price[-1]), *sample.price.tolist()]
    change = prices[1] - prices[0]
    fills = int(last.last[-1]) - int(opening.first[0]) + 1 if aggregates else 0
    return {
        "symbol": symbol,
        "priceChange": _written(change, contract.price_decimals),
        "priceChangePercent": f"{100 * change / prices[0]:.3f}",
        "weightedAvgPrice": f"{quote / volume if volume else 0.0:.{contract.price_decimals}f}",
        "lastPrice": _written(prices[1], contract.price_decimals),
        "lastQty": _written(int(last.quantity[-1]), contract.quantity_decimals),
        "openPrice": _written(prices[0], contract.price_decimals),
        "highPrice": _written(max(prices), contract.price_decimals),
        "lowPrice": _written(min(prices), contract.price_decimals),
        "volume": f"{volume:.{contract.quantity_decimals}f}",
        "quoteVolume": f"{quote:.2f}",
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "firstId": int(opening.first[0]),
        "lastId": int(last.last[-1]),
        "count": fills,
    }


def _sample(market: Market, symbol: str, begin_id: int, end_id: int) -> Trades:
    if end_id - begin_id <= SAMPLES * SAMPLE_TRADES:
        return _some(market, symbol, begin_id, end_id)
    step = (end_id - begin_id) // SAMPLES
    return joined(
        [_some(market, symbol, begin_id + n * step, begin_id + n * step + SAMPLE_TRADES) for n in range(SAMPLES)]
    )


def _some(market: Market, symbol: str, first_id: int, end_id: int) -> Trades:
    return joined(list(market.read(symbol, first_id, end_id))) if first_id < end_id else no_trades()


def _written(value: int, decimals: int) -> str:
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, fraction = divmod(value // 10 ** (DECIMALS - decimals), 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}d}" if decimals else f"{sign}{whole}"
