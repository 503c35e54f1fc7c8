"""Whether a contract is being collected, and if not why not. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from collectors.directory import COLLECTED


class State(StrEnum):
    """How things stand with the live collection of one contract."""

    COLLECTING = "collecting"
    STARTING = "starting"
    WAITING = "waiting"
    PAUSED = "paused"
    LEFT_OUT = "left_out"
    NOT_TRADING = "not_trading"
    UNKNOWN = "unknown"


#: Each as a sentence.
REASONS = {
    State.COLLECTING: "A worker collects it.",
    State.STARTING: "A collector has taken its shard and is preparing to collect it.",
    State.WAITING: "It is to be collected, but no collector holds its shard: is runcollectors running?",
    State.PAUSED: "It was paused here or disabled in the admin.",
    State.LEFT_OUT: "LOAD_ONLY_TICKERS does not name it.",
    State.NOT_TRADING: "The exchange does not trade it now.",
    State.UNKNOWN: "Postgres, which knows what is collected, does not answer now.",
}


def state_of(
    name: str,
    *,
    enabled: bool,
    status: str,
    held: bool,
    carried: bool | None,
    only: Collection[str] = (),
) -> State:
    """The state of a contract by its row (`enabled`, the exchange's `status`) and its shard.

    held: somebody's lease on the shard is valid. carried: a worker says that it carries the shard, None when Valkey,
    where workers say so, is away. only: LOAD_ONLY_TICKERS, empty for all.
    """
    if status not in COLLECTED:
        return State.NOT_TRADING
    if not enabled:
        return State.PAUSED
    if only and name not in only:
        return State.LEFT_OUT
    if not held:
        return State.WAITING
    return State.STARTING if carried is False else State.COLLECTING
