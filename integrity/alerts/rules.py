"""What is worth an alert: from the facts to the conditions that hold now, each under a key that names it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from collectors.models import SymbolStatus
from dataprovider.numbers import counted
from integrity.alerts.facts import Facts


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
    if key.startswith(("worker ", "host ", "lag", "ban")):
        return facts.hosts is None
    return key == "gaps" and facts.contracts is None


def _conditions(facts: Facts, rules: Rules, now: datetime) -> Iterator[tuple[str, str]]:
    for service, reason in facts.away.items():
        yield f"service {service}", f"{service} does not answer: {reason}"
    if facts.hosts is not None and facts.workers is not None:
        if not facts.hosts:
            yield "host none", "No collector runs: nothing is being collected."
        for host in facts.hosts:
            alive = sum(worker.owner == host.owner for worker in facts.workers)
            name = host.owner.partition(":")[0]
            if alive < host.workers:
                of = counted(host.workers, "worker")
                yield f"worker {name}", f"Only {alive} of {of} on {name} give a sign of life."
            elif name in facts.bereaved:
                yield f"worker {name}", f"A worker on {name} ended and was replaced; what it had in memory is fetched."
            if host.problem:
                yield f"host {name}", f"{name}: {host.problem}"
        lag = max((worker.lag_ms for worker in facts.workers), default=0.0) / 1000
        if lag > rules.lag_seconds:
            yield "lag", f"Trades are handled {lag:.0f} s after they happened."
    if facts.ban_ms:
        yield "ban", f"The exchange has banned this address for {facts.ban_ms / 1000:.0f} s more: nothing is recovered."
    if facts.old_gaps is not None:
        gaps = facts.old_gaps
        minutes = (now - gaps.oldest).total_seconds() / 60
        yield (
            "gaps",
            f"{counted(gaps.gaps, 'gap')} ({counted(gaps.ids, 'trade')}) not closed after {rules.gap_minutes} min; "
            f"the oldest, of {gaps.symbol}, is {minutes:.0f} min old.",
        )
    if facts.disk_free_percent < rules.disk_percent:
        free = f"{facts.disk_free_percent:.1f} %"
        yield "disk", f"Only {free} of the disk are free (the limit is {rules.disk_percent} %)."


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


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 20 else f"{', '.join(names[:20])} and {len(names) - 20} more"
