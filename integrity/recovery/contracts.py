"""Finding the contracts a command names, also those that the exchange lists no longer but has archives of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time

from collectors.binance.archive import DAILY, MONTHLY, Archives
from collectors.binance.rest import ExchangeProblem, Rest
from collectors.contracts import newest_contract
from collectors.directory import COLLECTED, sync_symbols
from collectors.models import Symbol, SymbolStatus


class UnknownContracts(Exception):
    """Nobody knows these symbols; `str()` says so."""


def find(names: Iterable[str], rest: Rest, archives: Archives) -> list[Symbol]:
    """The newest contract of each name, in the order given; asks the exchange only for names that are not known here.

    Raises UnknownContracts, ExchangeProblem and ArchiveUnreachable.
    """
    wanted = list(dict.fromkeys(_normal(name) for name in names))
    if any(newest_contract(name) is None for name in wanted):
        try:
            sync_symbols(rest.exchange_info())
        except ExchangeProblem:
            if not Symbol.objects.exists():
                raise
    found: list[Symbol] = []
    unknown = []
    for name in wanted:
        symbol = newest_contract(name) or _delisted(name, archives)
        if symbol is None:
            unknown.append(name)
        else:
            found.append(symbol)
    if unknown:
        raise UnknownContracts(
            f"There is no contract {', '.join(unknown)}: neither the exchange's list nor its archives have it."
        )
    return found


def collected() -> list[Symbol]:
    """Every contract that is to be collected."""
    return list(Symbol.objects.filter(enabled=True, status__in=COLLECTED).order_by("name"))


def archived_days(archives: Archives, symbol: str) -> tuple[date, date] | None:
    """The first and the last day of which the exchange lists an archive; None: it lists none.

    Raises ArchiveUnreachable, and ValueError for what no file can be named after.
    """
    names = [each.name for period in (DAILY, MONTHLY) for each in archives.listed(symbol, period)]
    if not names:
        return None
    return min(name.first_day for name in names), max(name.last_day for name in names)


def _delisted(name: str, archives: Archives) -> Symbol | None:
    try:
        days = archived_days(archives, name)
    except ValueError:
        return None
    if days is None:
        return None
    return Symbol.objects.create(
        name=name,
        onboard_date=datetime.combine(days[0], time(), UTC),
        contract_type="",
        status=SymbolStatus.DELISTED,
        enabled=False,
    )


def _normal(name: str) -> str:
    return "".join(letter.upper() if letter.isascii() else letter for letter in name)
