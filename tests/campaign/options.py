"""What a campaign or a soak can be told."""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes of one trade in the spool, and seconds of outage that the campaign's spool takes at its rate.
SPOOLED_BYTES = 53
SPOOLED_SECONDS = 6


@dataclass(frozen=True, slots=True)
class Options:
    """`minutes`: how long faults come; None: until each kind came once. `only`: these kinds of faults (all)."""

    seed: int = 1
    runs: int = 1
    minutes: float | None = None
    rate: int = 3000
    symbols: int = 120
    workers: int = 2
    only: tuple[str, ...] = ()
    keep: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """Bounds so low that minutes of faults reach them, checks so often that they take part."""
        return {
            "SPOOL_MAX_BYTES": str(max(1_000_000, self.rate * SPOOLED_BYTES * SPOOLED_SECONDS)),
            "BUFFER_MAX_ROWS": "10000",
            "RECOVERY_WORKERS": "2",
            "INTEGRITY_INTERVAL": "20",
            "RATE_LIMIT_PER_MINUTE": "0",
        }
