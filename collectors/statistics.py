"""How a host's collection stands, in one line for the log."""

from __future__ import annotations

from collections.abc import Sequence

from dataprovider.heartbeat import WorkerStatus
from dataprovider.numbers import counted


def statistics(workers: Sequence[WorkerStatus] | None, open_gaps: int, disk_free_percent: float) -> str:
    """`workers`: this host's that give a sign of life, None while Valkey, where they do, is away. `open_gaps`: of all
    hosts; negative when Postgres, which knows, is away."""
    parts = ["what workers do is not known, Valkey is away"]
    if workers is not None:
        received, wanted = sum(each.subscribed for each in workers), sum(each.symbols for each in workers)
        parts = [
            f"{received:,} of {counted(wanted, 'contract')} received by {counted(len(workers), 'worker')}",
            f"{sum(each.trades_per_s for each in workers):,.0f} trades/s",
            f"lag {max((each.lag_ms for each in workers), default=0):.0f} ms",
            f"storage delay {max((each.storage_delay_ms for each in workers), default=0):,} ms",
            f"{counted(sum(each.buffered_rows for each in workers), 'trade')} in memory",
            f"{sum(each.spooled_batches for each in workers):,} batches on disk",
        ]
    parts.append(f"{counted(open_gaps, 'gap')} open" if open_gaps >= 0 else "Postgres is away")
    return f"Statistics: {', '.join(parts)}, {disk_free_percent:.1f} % of the disk free."
