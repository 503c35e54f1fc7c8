"""Shards with who collects them, and the hosts."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString

from collectors.admin.operating import ReadOnly
from collectors.admin.shapes import list_link
from collectors.directory import to_collect
from collectors.models import CollectorHost, ShardLease


@admin.register(ShardLease)
class ShardLeaseAdmin(ReadOnly):
    list_display = ("shard", "held", "owner", "worker", "symbols", "heartbeat_at", "epoch", "pid")
    ordering = ("shard",)

    @admin.display(boolean=True, description="held")
    def held(self, lease: ShardLease) -> bool:
        return lease.expires_at is not None and lease.expires_at > timezone.now()

    @admin.display(description="symbols")
    def symbols(self, lease: ShardLease) -> SafeString:
        count = to_collect(settings.CONFIG.load_only_tickers).filter(shard=lease.shard).count()
        return list_link("collectors_symbol", count, shard__exact=lease.shard, collection="collected")


@admin.register(CollectorHost)
class CollectorHostAdmin(ReadOnly):
    list_display = ("hostname", "workers", "shards", "heartbeat_at", "started_at", "pid")

    @admin.display(description="shards")
    def shards(self, host: CollectorHost) -> int:
        return ShardLease.objects.filter(owner=host.owner, expires_at__gt=timezone.now()).count()
