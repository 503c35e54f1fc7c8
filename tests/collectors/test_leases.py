"""Shards are shared among hosts, and change hands only with a higher epoch."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from collectors.leases import Leases
from collectors.models import CollectorHost, ShardLease

pytestmark = pytest.mark.django_db


def host(name: str, pid: int = 1) -> Leases:
    leases = Leases(f"{name}:{pid}:7-abc")
    leases.join(workers=2)
    return leases


def let_time_pass(leases: Leases, seconds: int) -> None:
    """As if this host had said nothing for so long."""
    ago = timedelta(seconds=seconds)
    CollectorHost.objects.filter(owner=leases.owner).update(heartbeat_at=F("heartbeat_at") - ago)
    ShardLease.objects.filter(owner=leases.owner).update(expires_at=F("expires_at") - ago)


def test_a_host_alone_takes_everything() -> None:
    one = host("one")
    assert one.share() == 16
    assert one.acquire(16) == dict.fromkeys(range(16), 1)
    assert one.renew() == dict.fromkeys(range(16), 1)


def test_two_hosts_share_evenly_and_never_own_the_same_shard() -> None:
    one, two = host("one"), host("two")
    assert (one.share(), two.share()) == (8, 8)
    mine, yours = one.acquire(one.share()), two.acquire(two.share())
    assert len(mine) == len(yours) == 8
    assert not mine.keys() & yours.keys()
    assert two.acquire(16) == {}


def test_a_live_lease_is_not_taken_and_a_dead_ones_is_with_a_higher_epoch() -> None:
    one, two = host("one"), host("two")
    one.acquire(16)
    let_time_pass(one, 14)
    assert two.acquire(16) == {}
    let_time_pass(one, 2)
    assert two.share() == 16
    assert two.acquire(16) == dict.fromkeys(range(16), 2)
    assert one.renew() == {}


def test_the_former_owner_cannot_release_or_raise_what_it_lost() -> None:
    one, two = host("one"), host("two")
    one.acquire(16)
    let_time_pass(one, 20)
    two.acquire(16)
    one.release([0])
    assert one.raise_epochs({1: 100}) == {}
    assert two.renew() == dict.fromkeys(range(16), 2)


def test_a_released_shard_comes_back_with_a_higher_epoch() -> None:
    one = host("one")
    one.acquire(16)
    one.release([3])
    assert 3 not in one.renew()
    assert one.acquire(1) == {3: 2}


def test_an_epoch_is_raised_above_what_clickhouse_knows() -> None:
    one = host("one")
    one.acquire(16)
    assert one.raise_epochs({5: 41}) == {5: 42}
    assert one.renew()[5] == 42


def test_what_a_killed_process_of_the_same_host_held_is_free_at_once() -> None:
    # No process can have this id: it is above the kernel's limit.
    host("one", pid=2**22 + 1).acquire(16)
    assert len(host("one", pid=1).acquire(16)) == 16


def test_what_another_host_holds_is_left_alone() -> None:
    host("other", pid=2**22 + 1).acquire(16)
    assert host("one", pid=1).acquire(16) == {}


def test_leaving_gives_everything_back_at_once() -> None:
    one, two = host("one"), host("two")
    one.acquire(16)
    one.leave()
    assert two.share() == 16
    assert len(two.acquire(16)) == 16
