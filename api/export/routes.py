"""GET export/trades and export/candles."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from ninja import Query, Router

from api.apps import this_app
from api.documenting import refusal_examples, refusals
from api.export import tables
from api.export.candles import Judged, candle_pieces
from api.export.files import Csv, File, Tabular, candles_csv, trades_csv
from api.export.parameters import CandlesExport, Format, TradesExport
from api.export.stream import answer
from api.export.trades import Columns, trade_pieces
from api.parameters import normal_symbol

router = Router(tags=["export"])


def _described(csv: str) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "responses": {
            200: {
                "description": "The file, as it is asked for in `format`.",
                "content": {
                    "text/csv": {"schema": {"type": "string"}, "example": csv},
                    Format.PARQUET.content_type: binary,
                    Format.ARROW.content_type: binary,
                },
            },
            **refusal_examples(404),
        }
    }


@router.get(
    "trades/{symbol}",
    response=refusals(404),
    openapi_extra=_described(
        "aggregate_id,price,quantity,first_trade_id,last_trade_id,timestamp,is_buyer_maker\n"
        "2012155433,42313.9,0.057,4416563443,4416563444,1704067200012,true\n"
        "2012155434,42314,0.003,4416563445,4416563445,1704067200091,false\n"
    ),
)
async def export_trades(request: HttpRequest, symbol: str, asked: Query[TradesExport]) -> HttpResponseBase:
    """All trades of a range of times, of ids, or of both, in the order of time, as one file of any length.

    CSV: decimals with all their digits, times in ms. Parquet and Arrow: decimal128 and timestamps (ms, UTC). An answer
    that breaks off is not the whole file, and the connection says so.
    """
    store, name = this_app().store, normal_symbol(symbol)

    def file() -> File[Columns]:
        if asked.format is Format.CSV:
            return Csv(tables.TRADES, trades_csv)
        return Tabular(asked.format, tables.TRADES, tables.trades_batch)

    pieces = trade_pieces(store, name, asked)
    return await answer(store, this_app().exports, pieces, file, asked.format, f"{name}-trades")


@router.get(
    "candles/{symbol}",
    response=refusals(404),
    openapi_extra=_described(
        "candle_time,open,high,low,close,volume,quote_volume,taker_buy_volume,taker_sell_volume,trades_count,"
        "aggregate_count,complete,closed\n"
        "1704067200000,42314,42437.1,42289.6,42410.8,1459.217,61829441.2637,803.11,656.107,17382,5120,true,true\n"
    ),
)
async def export_candles(request: HttpRequest, symbol: str, asked: Query[CandlesExport]) -> HttpResponseBase:
    """All candles that open in a range, as one file of any length; columns and flags are those of data/klines."""
    store, name = this_app().store, normal_symbol(symbol)

    def file() -> File[Judged]:
        if asked.format is Format.CSV:
            return Csv(tables.CANDLES, candles_csv)
        return Tabular(asked.format, tables.CANDLES, tables.candles_batch)

    pieces = candle_pieces(store, name, asked)
    return await answer(store, this_app().exports, pieces, file, asked.format, f"{name}-{asked.timeframe}m")
