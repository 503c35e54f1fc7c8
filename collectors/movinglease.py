"""A shard's lease while the shard moves to another node: asked back from its host, held until it is there."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from types import TracebackType

from django.db import Error as DatabaseError
from django.db import connection, models
from django.db.models import F, Value
from django.db.models.functions import Greatest, Now

from collectors.leases import FREE, LEASE_SECONDS
from collectors.models import ShardLease

logger = logging.getLogger(__name__)

#: How often it is renewed (seconds).
KEEP_SECONDS = 3.0


class MovingLease:
    """`with MovingLease(...)`: from the beginning no host takes the shard and its owner is asked to release it.

    A thread of its own renews it; while Postgres is away that fails and the lease may run out: who moves the shard
    hears of it from ClickHouse, whose fence another owner has changed by then. Methods raise django.db.Error.
    """

    def __init__(self, shard: int, owner: str) -> None:
        self._shard = shard
        self._owner = owner
        self._ttl = timedelta(seconds=LEASE_SECONDS)
        self._done = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="moving-lease", daemon=True)

    def __enter__(self) -> MovingLease:
        ShardLease.objects.get_or_create(shard=self._shard)
        self._renew()
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        # One that hangs in Postgres is not waited for: its next renewal does not come.
        self._keeper.join(KEEP_SECONDS)
        try:
            ShardLease.objects.filter(shard=self._shard).update(moving_until=None)
            self._mine().update(owner="", expires_at=None)
        except DatabaseError:
            logger.warning("Postgres is away: shard %d is collected again in %d s.", self._shard, LEASE_SECONDS)

    def take(self) -> int | None:
        """Its new epoch, once its owner has released it or has said nothing for too long; None: not yet."""
        fields = {"worker": None, "pid": None, "epoch": F("epoch") + 1}
        free = ShardLease.objects.filter(FREE, shard=self._shard)
        if not free.update(owner=self._owner, expires_at=Now() + self._ttl, heartbeat_at=Now(), **fields):
            return None
        return self._mine().values_list("epoch", flat=True).first()

    def raise_above(self, floor: int) -> int:
        """Its epoch, raised above `floor`."""
        self._mine().update(epoch=Greatest("epoch", Value(floor)) + 1)
        return ShardLease.objects.values_list("epoch", flat=True).get(shard=self._shard)

    def holder(self) -> str:
        """Who has it now; empty: nobody."""
        return ShardLease.objects.values_list("owner", flat=True).get(shard=self._shard)

    def _mine(self) -> models.QuerySet[ShardLease]:
        return ShardLease.objects.filter(shard=self._shard, owner=self._owner)

    def _renew(self) -> None:
        ShardLease.objects.filter(shard=self._shard).update(moving_until=Now() + self._ttl)
        self._mine().update(heartbeat_at=Now(), expires_at=Now() + self._ttl)

    def _keep(self) -> None:
        try:
            while not self._done.wait(KEEP_SECONDS):
                try:
                    self._renew()
                except DatabaseError:
                    connection.close()
        finally:
            connection.close()
