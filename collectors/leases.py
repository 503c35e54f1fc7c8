"""Who owns which shard: leases in Postgres, shared fairly among the hosts that are alive.

Every comparison of times is made by Postgres, so hosts need not agree on the clock.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import psutil
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from collectors.models import CollectorHost, ShardLease
from dataprovider.clickhouse.shards import SHARD_COUNT

LEASE_SECONDS = 15
#: A host that has said nothing for this long is forgotten.
FORGET_SECONDS = 600
#: Shards without an owner, or whose owner said nothing for too long.
FREE = Q(owner="") | Q(expires_at__isnull=True) | Q(expires_at__lt=Now())
NOT_MOVING = Q(moving_until__isnull=True) | Q(moving_until__lt=Now())


def owner_name() -> str:
    """A name for this process that no other one has or had: host, process id, where that id is valid, and chance."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return f"{socket.gethostname()}:{os.getpid()}:{namespace}-{int.from_bytes(os.urandom(3)):06x}"


def release_dead(owner: str) -> None:
    """Free what processes hold that ran where `owner` runs and were killed: nobody's lease has to run out first."""
    hostname, _, namespace = _parts(owner)
    here = f"{hostname}:"
    owners = {
        *CollectorHost.objects.filter(owner__startswith=here).values_list("owner", flat=True),
        *ShardLease.objects.filter(owner__startswith=here).values_list("owner", flat=True),
    }
    for other in owners:
        name, pid, space = _parts(other)
        if (name, space) == (hostname, namespace) and not psutil.pid_exists(pid):
            ShardLease.objects.filter(owner=other).update(owner="", worker=None, pid=None, expires_at=None)
            CollectorHost.objects.filter(owner=other).delete()


def _parts(owner: str) -> tuple[str, int, str]:
    """Host name, process id, and where that id is valid."""
    hostname, pid, namespace = owner.rsplit("-", 1)[0].rsplit(":", 2)
    return hostname, int(pid), namespace


class Leases:
    """The leases of one owner. Every method raises django.db.OperationalError while Postgres is away."""

    def __init__(self, owner: str, *, seconds: int = LEASE_SECONDS) -> None:
        self.owner = owner
        self._ttl = timedelta(seconds=seconds)
        self._workers = 0

    def join(self, workers: int) -> None:
        """Appear among the hosts, and make the table's rows if this is the first start ever."""
        self._workers = workers
        ShardLease.objects.bulk_create([ShardLease(shard=shard) for shard in range(SHARD_COUNT)], ignore_conflicts=True)
        hostname, pid, _ = _parts(self.owner)
        release_dead(self.owner)
        CollectorHost.objects.update_or_create(
            owner=self.owner,
            defaults={
                "hostname": hostname,
                "pid": pid,
                "workers": workers,
                "started_at": Now(),
                "heartbeat_at": Now(),
            },
        )

    def renew(self) -> dict[int, int]:
        """Say that this host lives and keep what it has; shard -> epoch of what is still its own."""
        if not CollectorHost.objects.filter(owner=self.owner).update(heartbeat_at=Now()):
            self.join(self._workers)
        CollectorHost.objects.filter(heartbeat_at__lt=Now() - timedelta(seconds=FORGET_SECONDS)).delete()
        mine = ShardLease.objects.filter(owner=self.owner)
        mine.update(heartbeat_at=Now(), expires_at=Now() + self._ttl)
        return dict(mine.values_list("shard", "epoch"))

    def leaving(self) -> frozenset[int]:
        """The shards of this host that somebody wants to move to another ClickHouse node: it is to release them."""
        mine = ShardLease.objects.filter(owner=self.owner, moving_until__gte=Now())
        return frozenset(mine.values_list("shard", flat=True))

    def share(self) -> int:
        """How many shards are this host's fair part: all of them when it is alone."""
        hosts = CollectorHost.objects.filter(heartbeat_at__gte=Now() - self._ttl).count()
        return -(-SHARD_COUNT // max(hosts, 1))

    def acquire(self, most: int) -> dict[int, int]:
        """Take up to `most` shards that are free or whose lease has run out; shard -> its new, higher epoch."""
        if most <= 0:
            return {}
        with transaction.atomic():
            free = ShardLease.objects.select_for_update(skip_locked=True).filter(FREE, NOT_MOVING)
            shards = list(free.order_by("shard").values_list("shard", flat=True)[:most])
            ShardLease.objects.filter(shard__in=shards).update(
                owner=self.owner,
                worker=None,
                pid=None,
                epoch=F("epoch") + 1,
                heartbeat_at=Now(),
                expires_at=Now() + self._ttl,
            )
        return dict(ShardLease.objects.filter(shard__in=shards, owner=self.owner).values_list("shard", "epoch"))

    def raise_epochs(self, at_least: dict[int, int]) -> dict[int, int]:
        """Give own shards a new epoch above the given one each; shard -> epoch of those that are still own."""
        raised = {}
        for shard, floor in at_least.items():
            with transaction.atomic():
                lease = ShardLease.objects.select_for_update().filter(shard=shard, owner=self.owner).first()
                if lease is not None:
                    lease.epoch = max(lease.epoch, floor) + 1
                    lease.save(update_fields=["epoch"])
                    raised[shard] = lease.epoch
        return raised

    def placed(self, worker: int, pid: int, shards: list[int]) -> None:
        """Note which worker process carries these shards, for people to see."""
        ShardLease.objects.filter(shard__in=shards, owner=self.owner).update(worker=worker, pid=pid)

    def release(self, shards: list[int]) -> None:
        """Give shards back; the next owner takes a higher epoch."""
        ShardLease.objects.filter(shard__in=shards, owner=self.owner).update(
            owner="", worker=None, pid=None, expires_at=None
        )

    def leave(self) -> None:
        """Give everything back and disappear from the hosts."""
        self.release(list(range(SHARD_COUNT)))
        CollectorHost.objects.filter(owner=self.owner).delete()
