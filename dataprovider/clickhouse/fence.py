"""What stands in `shard_epochs` beside the epoch of a shard's owner: that it is closed, or that it lives elsewhere."""

from __future__ import annotations

from dataprovider.clickhouse.errors import ShardMoving

#: Closed for a move by the owner with epoch e: HELD + e. No insert has such an epoch.
HELD = 2**62
#: It lives on another node.
ELSEWHERE = 2**64 - 1


def epoch_in(fence: int, shard: int) -> int:
    """The epoch of who opened or closed the shard. Raises ShardMoving for one that lives elsewhere."""
    if fence == ELSEWHERE:
        raise ShardMoving(f"Shard {shard} lives on another ClickHouse node now, or is just arriving there.")
    return fence - HELD if HELD <= fence < 2 * HELD else fence
