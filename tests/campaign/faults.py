"""The kinds of faults: what each does to the stack, for how long, and how it is undone."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil

from dataprovider.running.children import Child, manage
from tests.campaign.exchangelog import ExchangeLog
from tests.campaign.stack import Stack

Undo = Callable[[], None]
Begin = Callable[[Stack, random.Random], Undo]


class NoVictim(Exception):
    """There is nobody it could be done to at this moment."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`begin` does it and returns how it is undone after `seconds`; raises NoVictim."""

    name: str
    seconds: float
    begin: Begin


def killed(role: str) -> Begin:
    """SIGKILL to one process of a role."""

    def begin(stack: Stack, chance: random.Random) -> Undo:
        with suppress(psutil.NoSuchProcess):
            _victim(stack, role, chance).kill()
        return _nothing

    return begin


def paused(role: str) -> Begin:
    """SIGSTOP to one process of a role (a service: to all of its processes), and SIGCONT in the end."""

    def begin(stack: Stack, chance: random.Random) -> Undo:
        victim = _victim(stack, role, chance)
        stopped = [victim]
        if role in ("postgres", "clickhouse"):
            with suppress(psutil.NoSuchProcess):
                stopped += victim.children(recursive=True)
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

        def undo() -> None:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

        return undo

    return begin


def exchange(fault: str, **parameters: object) -> Begin:
    """A fault of the simulated exchange."""

    def begin(stack: Stack, chance: random.Random) -> Undo:
        stack.control("faults", {"fault": fault, **parameters})
        return stack.clear_faults

    return begin


def skipped(stack: Stack, chance: random.Random) -> Undo:
    """Ids of some contracts are never sent."""
    for symbol in chance.sample(stack.symbols, min(6, len(stack.symbols))):
        stack.control("faults", {"fault": "skip", "symbol": symbol, "count": chance.randrange(1, 400)})
    return stack.clear_faults


def mute_some(stack: Stack, chance: random.Random) -> Undo:
    """No trade of some contracts is sent, while their connection lives."""
    symbols = chance.sample(stack.symbols, max(1, len(stack.symbols) // 8))
    stack.control("faults", {"fault": "mute", "symbols": symbols})
    return stack.clear_faults


def clock_jump(stack: Stack, chance: random.Random) -> Undo:
    """The exchange's clock jumps; what was traded in between is never sent."""
    stack.control("clock", {"advance_seconds": round(chance.uniform(1.0, 4.0), 3)})
    return _nothing


def archives(kind: str) -> Begin:
    """Archives of a contract are wrong while its history is brought in."""

    def begin(stack: Stack, chance: random.Random) -> Undo:
        if not stack.histories:
            raise NoVictim("no contract trades rarely enough for whole days of archives")
        symbol = chance.choice(stack.histories)
        stack.control("faults", {"fault": "archive", "kind": kind, "symbol": symbol})
        command = backfill(stack, [symbol])
        command.start()

        def undo() -> None:
            stack.clear_faults()
            command.stop(10.0)

        return undo

    return begin


def backfill(stack: Stack, symbols: list[str]) -> Child:
    """`manage.py backfill` of the whole days that the exchange has."""
    first, last = history_days(stack)
    command = manage("backfill", *symbols, "--from", first, "--to", last, "--workers", "1")
    return Child("backfill", command, stack.farm.environ, stack.home / "logs" / "backfill.log")


def history_days(stack: Stack) -> tuple[str, str]:
    """The days of history before today, by the exchange's clock."""
    log = ExchangeLog(stack.exchange_url, 201)
    today = datetime.fromtimestamp(log.now_ms() / 1000, UTC).date()
    log.close()
    return (today - timedelta(days=3)).isoformat(), (today - timedelta(days=1)).isoformat()


def _victim(stack: Stack, role: str, chance: random.Random) -> psutil.Process:
    found = stack.processes(role)
    number = chance.random()
    if not found:
        raise NoVictim(f"no {role} is running")
    return found[int(number * len(found))]


def _nothing() -> None:
    pass


#: Seconds: a worker that is silent for 15 s is replaced, a lease runs out after 15 s, a recovery job's after 20 s.
PROCESSES = (
    Kind("worker killed", 4, killed("worker")),
    Kind("worker paused", 6, paused("worker")),
    Kind("worker hangs", 19, paused("worker")),
    Kind("supervisor killed", 8, killed("supervisor")),
    Kind("supervisor paused", 18, paused("supervisor")),
    Kind("recovery worker killed", 3, killed("recovery")),
    Kind("recovery worker paused", 23, paused("recovery")),
    Kind("keeper killed", 3, killed("keeper")),
    Kind("keeper paused", 17, paused("keeper")),
    Kind("ClickHouse killed", 6, killed("clickhouse")),
    Kind("ClickHouse paused", 6, paused("clickhouse")),
    Kind("spool full", 24, paused("clickhouse")),
    Kind("Valkey killed", 4, killed("valkey")),
    Kind("Valkey paused", 8, paused("valkey")),
    Kind("Postgres killed", 5, killed("postgres")),
    Kind("Postgres paused", 9, paused("postgres")),
    Kind("daphne killed", 4, killed("web")),
    Kind("daphne paused", 5, paused("web")),
)
EXCHANGE = (
    Kind("connections cut", 2, exchange("drop_connections")),
    Kind("a connection cut", 2, exchange("drop_connections", count=1)),
    Kind("connections mute", 9, exchange("mute")),
    Kind("contracts mute", 12, mute_some),
    Kind("connections half-open", 9, exchange("half_open")),
    Kind("ids skipped", 3, skipped),
    Kind("trades twice", 8, exchange("duplicate", rate=0.2)),
    Kind("trades out of order", 8, exchange("reorder", rate=0.2)),
    Kind("frames malformed", 4, exchange("malformed", count=40)),
    Kind("frames late", 7, exchange("slow", delay_ms=1500)),
    Kind("storm of 429", 12, exchange("rate_limit", status=429, seconds=10)),
    Kind("storm of 418", 12, exchange("rate_limit", status=418, seconds=15)),
    Kind("REST answers 503", 10, exchange("rest_error", status=503)),
    Kind("clock jumps", 2, clock_jump),
    Kind("archives late", 9, archives("late")),
    Kind("archives missing", 9, archives("missing")),
    Kind("archives corrupt", 12, archives("corrupt")),
    Kind("checksums wrong", 9, archives("checksum")),
    Kind("archives partial", 12, archives("partial")),
)
