"""What a worker is and carries is said with its next heartbeat, or at once when that is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.conf import settings
from redis import Redis

from collectors import publisher
from collectors.publisher import Publisher
from dataprovider.heartbeat import WorkerStatus, read_workers
from tests.waiting import wait_until


def test_what_a_worker_carries_is_said_at_once_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than the test may take: no heartbeat comes by itself.
    monkeypatch.setattr(publisher, "HEARTBEAT_SECONDS", 3600.0)
    status = WorkerStatus("publishing:1:a", 0, 7, [])

    def said() -> list[list[int]]:
        return [each.shards for each in read_workers(redis) if each.owner == status.owner]

    with Redis.from_url(settings.CONFIG.redis_url) as redis:
        telling = Publisher(redis, lambda: status)
        telling.start()
        try:
            wait_until(lambda: said() == [[]], 10, "the first heartbeat")
            status = replace(status, shards=[3, 4])
            telling.beat()
            wait_until(lambda: said() == [[3, 4]], 5, "the heartbeat that was asked for")
        finally:
            telling.stop()
            redis.delete(*redis.scan_iter(match=f"*{status.owner}*"))
