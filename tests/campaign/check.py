"""The exchange's own log against the table, id by id and field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from tests.campaign.exchangelog import ExchangeLog, Trade

#: So many differences of one contract are told.
TOLD = 5
#: Readers side by side, each with addresses of its own at the exchange.
READERS = 3


@dataclass
class Difference:
    """What is not as it should be of one contract, and how many trades it should have."""

    symbol: str
    sent: int = 0
    stored: int = 0
    missing: int = 0
    duplicated: int = 0
    wrong: int = 0
    told: list[str] = field(default_factory=list)


def compare(symbol: str, sent: Iterable[Trade], stored: Iterable[Trade]) -> Difference:
    """Both in order of their ids."""
    truth = {trade[0]: trade for trade in sent}
    found = Difference(symbol, sent=len(truth))
    seen: set[int] = set()
    differing: list[str] = []
    for row in stored:
        found.stored += 1
        if row[0] in seen:
            found.duplicated += 1
            differing.append(f"{symbol} {row[0]} is stored twice")
        elif truth.get(row[0]) != row:
            found.wrong += 1
            differing.append(f"{symbol} {row[0]} is stored as {row}, the exchange has {truth.get(row[0])}")
        seen.add(row[0])
    missing = sorted(truth.keys() - seen)
    found.missing = len(missing)
    found.told = [f"{symbol} {first}–{last} is missing" for first, last in islice(ranges(missing), TOLD)]
    found.told += differing[:TOLD]
    return found


def ranges(ids: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Ascending ids as first and last of each run."""
    start = 0
    for position in range(1, len(ids) + 1):
        if position == len(ids) or ids[position] != ids[position - 1] + 1:
            yield ids[start], ids[position - 1]
            start = position


def each_contract(url: str, spans: dict[str, tuple[int, int]], look: Callable[[str, list[Trade]], None]) -> None:
    """Hand what the exchange has of each contract's ids first..last to `look`, several at a time."""
    names = sorted(spans)

    def read(reader: int) -> None:
        log = ExchangeLog(url, reader + 1)
        for symbol in names[reader::READERS]:
            look(symbol, list(log.trades(symbol, *spans[symbol])))
        log.close()

    with ThreadPoolExecutor(READERS) as several:
        for done in [several.submit(read, number) for number in range(READERS)]:
            done.result()
