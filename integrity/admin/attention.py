"""What needs a person: from what the services say to sentences with a link each. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from collectors.admin.shapes import list_address
from dataprovider.numbers import counted
from integrity.alerts.facts import Facts
from integrity.alerts.rules import INCIDENTS, Rules, conditions

MOST_NAMES = 8


class Level(StrEnum):
    """How urgent it is."""

    URGENT = "urgent"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing that somebody should look at, and the address of the list that shows it (empty: there is none)."""

    level: Level
    title: str
    text: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What Postgres and the board say beside the facts that alerts are made of."""

    #: Jobs that were set aside, and the last of them: its symbol and reason.
    set_aside: int = 0
    last_set_aside: tuple[str, str] = ("", "")
    #: Open incidents: key -> text.
    incidents: Mapping[str, str] = field(default_factory=dict)
    #: Months by what their check found.
    months_with_holes: int = 0
    months_with_duplicates: int = 0
    check_problem: str = ""
    paused: Sequence[str] = ()
    #: None: Valkey, which knows, is away.
    silent: Sequence[str] | None = ()
    #: Names in LOAD_ONLY_TICKERS that no contract has.
    unlisted: Sequence[str] = ()


def matters(facts: Facts, findings: Findings, rules: Rules, now: datetime) -> list[Matter]:
    """Everything that needs attention, the urgent first; empty when nothing does."""
    found = [*_conditions(facts, findings, rules, now), *_of_recovery(findings), *_of_symbols(findings)]
    return sorted(found, key=lambda each: each.level != Level.URGENT)


def _conditions(facts: Facts, findings: Findings, rules: Rules, now: datetime) -> Iterator[Matter]:
    current = conditions(facts, rules, now)
    for key, text in current.items():
        yield Matter(Level.URGENT, _title(key), text, _address(key))
    for key, text in findings.incidents.items():
        if key not in current:
            yield Matter(
                Level.URGENT, _title(key), text, list_address("integrity_incident", ended_at__isempty=1, q=key)
            )


def _title(key: str) -> str:
    return INCIDENTS.get(key.partition(" ")[0], "Open incident")


def _address(key: str) -> str:
    match key.partition(" ")[0]:
        case "gaps":
            return list_address("collectors_gap", age="late")
        case "collectors" | "host" | "lost":
            return list_address("collectors_collectorhost")
        case "worker" | "lag" | "streams":
            return list_address("collectors_shardlease")
        case "ban":
            return list_address("integrity_recoveryjob", status__exact="pending")
    return ""


def _of_recovery(findings: Findings) -> Iterator[Matter]:
    if findings.set_aside:
        symbol, reason = findings.last_set_aside
        text = (
            f"{counted(findings.set_aside, 'job')} set aside; the last, of {symbol}: {reason or 'no reason is known'}"
        )
        address = list_address("integrity_recoveryjob", status__exact="failed")
        yield Matter(Level.URGENT, "Jobs set aside", text, address)
    if findings.months_with_duplicates:
        text = f"{counted(findings.months_with_duplicates, 'month')} in which trades are stored twice."
        address = list_address("integrity_monthcheck", result__exact="duplicates")
        yield Matter(Level.URGENT, "Stored twice", text, address)
    if findings.months_with_holes:
        text = f"{counted(findings.months_with_holes, 'month')} in which ids were missing at the last check."
        address = list_address("integrity_monthcheck", result__exact="holes")
        yield Matter(Level.NOTE, "Checks found holes", text, address)
    if findings.check_problem:
        text = f"The last check could not look at everything: {findings.check_problem}"
        yield Matter(Level.NOTE, "Check not finished", text, list_address("integrity_integrityrun"))


def _of_symbols(findings: Findings) -> Iterator[Matter]:
    if findings.silent:
        text = f"{counted(len(findings.silent), 'symbol')} not heard of for an hour: {_some(findings.silent)}."
        yield Matter(Level.NOTE, "Silent", text, list_address("collectors_symbol", collection="silent"))
    if findings.unlisted:
        text = f"LOAD_ONLY_TICKERS names what the exchange does not list: {_some(findings.unlisted)}."
        yield Matter(Level.NOTE, "Not listed", text, list_address("collectors_symbol"))
    if findings.paused:
        text = f"{counted(len(findings.paused), 'symbol')} not collected: {_some(findings.paused)}."
        yield Matter(Level.NOTE, "Paused", text, list_address("collectors_symbol", collection="paused"))


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
