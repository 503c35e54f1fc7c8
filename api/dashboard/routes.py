"""What the dashboard asks for, and what any other overview may ask for too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Router

from api.apps import this_app
from api.dashboard import examples, shapes
from api.documenting import answers, example
from api.envelope import success
from api.failures import UnknownSymbol
from api.parameters import normal_symbol
from api.tickers.book import milliseconds
from collectors.contracts import newest_contract
from integrity.checks.months import MonthSummary, months_of

router = Router(tags=["monitoring"])


@router.get(
    "monitoring/overview",
    response=answers(shapes.OverviewAnswer),
    openapi_extra=example(examples.OVERVIEW, "300 of 300 contracts are being collected"),
)
async def overview(request: HttpRequest) -> HttpResponse:
    """Everything at a glance: totals, workers, weight, recovery jobs, and each contract's price, pace and quality."""
    found = await this_app().overview.now()
    totals = found["totals"]
    message = f"{totals['collecting']} of {totals['symbols']} contracts are being collected"
    return success(orjson.dumps(found), message)


@router.get(
    "integrity/months/{symbol}",
    response=answers(shapes.MonthsAnswer, 404),
    openapi_extra=example([examples.MONTH], "1 months, 1 proved", 404),
    tags=["integrity"],
)
async def months(request: HttpRequest, symbol: str) -> HttpResponse:
    """The months of a contract since it was listed, and what is proved of each."""
    name = normal_symbol(symbol)
    span = await this_app().sources.clickhouse(lambda store: store.query("symbol_extent", symbols=[name]))
    found = await this_app().store.ask_postgres(lambda: _months(name, span))
    proved = sum(each["state"] == "proved" for each in found)
    return success(orjson.dumps(found), f"{len(found)} months, {proved} proved")


def _months(name: str, span: Sequence[Sequence[Any]] | None) -> list[dict[str, Any]]:
    symbol = newest_contract(name)
    if symbol is None:
        raise UnknownSymbol(name)
    stored = (_day(span[0][5]), _day(span[0][6])) if span else None
    return [_month(each) for each in months_of(symbol, datetime.now(UTC).date(), stored)]


def _day(seconds: int) -> date:
    return datetime.fromtimestamp(int(seconds), UTC).date()


def _month(summary: MonthSummary) -> dict[str, Any]:
    check = summary.check
    return {
        "month": f"{summary.month:%Y-%m}",
        "state": summary.state,
        "rows": check.rows if check else None,
        "missing": check.missing if check else None,
        "duplicates": check.duplicates if check else None,
        "absent": check.absent if check else None,
        "open_gaps": summary.open_gaps,
        "checked_at": milliseconds(check.checked_at) if check else None,
    }
