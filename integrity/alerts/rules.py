"""What is worth an alert: from the facts to the conditions that hold now, each under a key that names it. No I/O.

docs/ALERTS.md lists them for people; a test holds it to what stands here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from collectors.models import SymbolStatus
from dataprovider.numbers import counted
from integrity.alerts.facts import Facts

#: Every kind of incident: the first word of its key -> what it is about.
INCIDENTS = {
    "service": "A service is away",
    "collectors": "No collector runs",
    "lost": "A host was lost",
    "worker": "A worker was lost",
    "host": "A host cannot collect everything",
    "move": "A shard is between two ClickHouse nodes",
    "streams": "Contracts are not received",
    "lag": "Trades are handled late",
    "ban": "The exchange has banned this address",
    "gaps": "Gaps are not closed in time",
    "disk": "The disk fills",
}
#: Every kind of message that has no end.
NEWS = {
    "start": "A start",
    "stop": "A stop",
    "listings": "Listings and delistings",
    "summary": "The summary of a day",
    "test": "A test",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """From where on something needs a person."""

    gap_minutes: int = 15
    lag_seconds: int = 10
    disk_percent: int = 10


def conditions(facts: Facts, rules: Rules, now: datetime) -> dict[str, str]:
    """What is wrong now: key -> a sentence."""
    return dict(_conditions(facts, rules, now))


def unknowable(key: str, facts: Facts) -> bool:
    """Whether nobody can tell now if this condition still holds: then it is neither begun nor over."""
    kind, _, about = key.partition(" ")
    if kind == "lost":
        # Forgotten after a while, but not back.
        return facts.hosts is None or about not in {host_name(host.owner) for host in facts.hosts}
    if kind in ("worker", "host", "collectors", "streams", "lag", "ban"):
        return facts.hosts is None
    if kind == "move":
        return "ClickHouse" in facts.away
    return kind == "gaps" and facts.known is None


def host_name(owner: str) -> str:
    """The machine of a supervisor."""
    return owner.partition(":")[0]


def lost(host: str) -> tuple[str, str]:
    """Key and sentence of a supervisor that ended unasked."""
    return f"lost {host}", f"The collectors on {host} ended without being stopped, or hang: start them again."


def _conditions(facts: Facts, rules: Rules, now: datetime) -> Iterator[tuple[str, str]]:
    for service, reason in facts.away.items():
        said = reason if reason.startswith(service) else f"{service} does not answer: {reason}"
        yield f"service {service}", said
    if facts.moving is not None:
        yield (
            "move",
            f"Shard {facts.moving} is between two ClickHouse nodes, and is not collected: `manage.py rebalance` was "
            "interrupted, run it again.",
        )
    if facts.hosts is not None and facts.workers is not None:
        yield from _collection(facts, rules)
    if facts.banned_until_ms:
        until = datetime.fromtimestamp(facts.banned_until_ms / 1000, UTC)
        yield "ban", f"The exchange has banned this address until {until:%Y-%m-%d %H:%M:%S} UTC: nothing is recovered."
    if facts.known is not None and facts.known.old_gaps is not None:
        gaps = facts.known.old_gaps
        minutes = (now - gaps.oldest).total_seconds() / 60
        yield (
            "gaps",
            f"{counted(gaps.gaps, 'gap')} ({counted(gaps.ids, 'trade')}) not closed after {rules.gap_minutes} min; "
            f"the oldest, of {gaps.symbol}, is {minutes:.0f} min old.",
        )
    if facts.disk_free_percent < rules.disk_percent:
        free = f"{facts.disk_free_percent:.1f} %"
        yield "disk", f"Only {free} of the disk are free (the limit is {rules.disk_percent} %)."


def _collection(facts: Facts, rules: Rules) -> Iterator[tuple[str, str]]:
    hosts, workers = facts.hosts or [], facts.workers or []
    if not hosts:
        yield "collectors", "No collector runs: nothing is being collected."
        return
    owners = {host.owner for host in hosts}
    for owner in facts.known.stale_owners if facts.known is not None else ():
        if owner not in owners:
            yield lost(host_name(owner))
    for host in hosts:
        alive = sum(worker.owner == host.owner for worker in workers)
        name = host_name(host.owner)
        if alive < host.workers:
            of = counted(host.workers, "worker")
            yield f"worker {name}", f"Only {alive} of {of} on {name} give a sign of life."
        elif name in facts.bereaved:
            yield f"worker {name}", f"A worker on {name} ended and was replaced; what it had in memory is fetched."
        if host.problem:
            yield f"host {name}", f"{name}: {host.problem}"
    symbols, deaf = sum(each.symbols for each in workers), sum(each.symbols - each.subscribed for each in workers)
    if deaf > 0:
        yield (
            "streams",
            f"{deaf:,} of {counted(symbols, 'contract')} are not received: the exchange or the network is away.",
        )
    lag = max((worker.lag_ms for worker in workers), default=0.0) / 1000
    if lag > rules.lag_seconds:
        yield "lag", f"Trades are handled {lag:.0f} s after they happened."


def listings(before: dict[str, str], after: dict[str, str]) -> str:
    """What the exchange listed and delisted between two looks, as one message; empty when nothing."""
    new = sorted(name for name, status in after.items() if name not in before and status != SymbolStatus.DELISTED)
    gone = sorted(
        name
        for name, status in after.items()
        if status == SymbolStatus.DELISTED and before.get(name, SymbolStatus.DELISTED) != SymbolStatus.DELISTED
    )
    parts = [f"{word}: {_some(names)}." for word, names in (("Listed", new), ("Delisted", gone)) if names]
    return " ".join(parts)


def started(host: str) -> str:
    """That collection begins on a machine."""
    return f"DataProvider starts on {host}."


def stopped(host: str) -> str:
    """That it was told to end there."""
    return f"DataProvider stops on {host}."


def trial(host: str) -> str:
    """What `manage.py testalerts` sends."""
    return f"A test of DataProvider's alerts from {host}: nothing is wrong."


def summary(day: date, symbols: int, trades: int, gaps: tuple[int, int, int]) -> str:
    """A day (UTC) in a sentence or two; gaps: opened, their ids, not closed."""
    opened, ids, left = gaps
    return (
        f"{day}: {counted(trades, 'trade')} of {counted(symbols, 'symbol')}. {counted(opened, 'gap')} "
        f"({counted(ids, 'trade')}) opened, {left} of them not closed yet."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 20 else f"{', '.join(names[:20])} and {len(names) - 20} more"
