"""The weight budget: many processes together never ask for more than the exchange allows, and use nearly all of it."""

from __future__ import annotations

import random
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from collectors.binance.problems import Banned
from collectors.binance.weight import Priority, WeightBudget, patience

MINUTE_MS = 60_000
#: Thirty seconds into a minute.
MIDDLE_MS = 29_000_000 * MINUTE_MS + 30_000
EVERYONE = (Priority.BACKFILL, Priority.GAP, Priority.LIVE)


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self, now_ms: int = MIDDLE_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def redis() -> Iterator[Redis]:
    client = Redis.from_url(settings.CONFIG.redis_url)
    yield client
    client.close()


@pytest.fixture
def egress() -> str:
    """An address that no other test uses."""
    return uuid.uuid4().hex


def granted(budget: WeightBudget, priority: Priority, weight: int = 20) -> int:
    """How much is granted until it is refused."""
    total = 0
    while not budget.try_acquire(weight, priority):
        total += weight
    return total


def test_each_priority_stops_at_its_ceiling_and_leaves_the_rest_to_those_before_it(redis: Redis, egress: str) -> None:
    budget = WeightBudget(redis, egress, SetClock())
    assert granted(budget, Priority.BACKFILL) == 2200
    assert granted(budget, Priority.GAP) == 140
    assert granted(budget, Priority.LIVE) == 40
    assert [budget.try_acquire(20, each) for each in EVERYONE] == [30.3, 30.3, 30.3]
    assert budget.state().used == 2380


def test_the_limit_is_what_the_exchange_says(redis: Redis, egress: str) -> None:
    budget = WeightBudget(redis, egress, SetClock())
    budget.set_limit(6000)
    assert granted(WeightBudget(redis, egress, SetClock()), Priority.BACKFILL) == 5520
    budget.set_limit(0)
    assert budget.state().limit == 6000


def test_a_request_heavier_than_its_ceiling_goes_first_in_a_minute(redis: Redis, egress: str) -> None:
    clock = SetClock()
    budget = WeightBudget(redis, egress, clock)
    budget.set_limit(40)
    assert budget.try_acquire(40, Priority.LIVE) == 0.0
    assert budget.try_acquire(1, Priority.LIVE) > 0
    clock.now_ms += MINUTE_MS
    assert budget.try_acquire(40, Priority.LIVE) == 0.0


def _take_all(url: str, egress: str) -> int:
    budgets = [WeightBudget(Redis.from_url(url), egress, SetClock()) for _ in range(2)]
    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(lambda budget: granted(budget, Priority.LIVE), budgets * 2))


def test_processes_and_threads_together_never_get_more_than_there_is(redis: Redis, egress: str) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as processes:
        taken = [processes.submit(_take_all, settings.CONFIG.redis_url, egress) for _ in range(3)]
        assert sum(each.result() for each in taken) == 2380


@pytest.mark.parametrize("seed", range(5))
def test_the_exchange_never_counts_more_than_its_limit_though_its_clock_is_not_ours(
    redis: Redis, egress: str, seed: int
) -> None:
    """By the exchange's clock a request arrives up to 280 ms before or after the time at which it was granted."""
    draw = random.Random(seed)
    clock = SetClock(29_000_000 * MINUTE_MS)
    budget = WeightBudget(redis, egress, clock)
    budget.set_limit(200)
    counted: Counter[int] = Counter()
    for minute in range(29_000_001, 29_000_061, 2):
        # The minute before was used in part; whoever asks now begins shortly before or after the turn of this one.
        turn_ms = minute * MINUTE_MS
        clock.now_ms = turn_ms - 30_000
        for _ in range(draw.choice([0, 5])):
            assert budget.try_acquire(20, Priority.LIVE) == 0.0
            counted[minute - 1] += 20
        clock.now_ms = turn_ms + draw.choice([draw.randrange(-600, 300), draw.randrange(-60, 60)])
        skew_ms = draw.choice([-280, 0, 280])
        while clock.now_ms < turn_ms + 1000:
            if not budget.try_acquire(20, Priority.LIVE):
                counted[(clock.now_ms + skew_ms) // MINUTE_MS] += 20
            clock.now_ms += draw.randrange(2, 15)
        assert budget.try_acquire(20, Priority.LIVE) > 0
    assert max(counted.values()) <= 200


def test_what_the_exchange_counts_corrects_upwards_only_and_only_its_own_minute(redis: Redis, egress: str) -> None:
    clock = SetClock()
    budget = WeightBudget(redis, egress, clock)
    budget.try_acquire(20, Priority.LIVE)
    budget.observe(500)
    assert budget.state().used == 500
    budget.observe(20)
    assert budget.state().used == 500
    clock.now_ms += 31_000
    # Asked before the turn of the minute, answered after it: this speaks of the minute that is over.
    budget.observe(2300, age=2.0)
    assert budget.state().used == 0
    budget.observe(40, age=0.1)
    assert budget.state().used == 40


def test_a_pause_holds_everyone_until_it_is_over(redis: Redis, egress: str) -> None:
    clock = SetClock()
    budget, other = (WeightBudget(redis, egress, clock) for _ in range(2))
    budget.pause(7)
    budget.pause(3)
    assert [other.try_acquire(1, each) for each in EVERYONE] == [7.0, 7.0, 7.0]
    clock.now_ms += 7000
    assert other.try_acquire(1, Priority.BACKFILL) == 0.0


def test_a_ban_holds_everyone_and_survives_whoever_heard_of_it(redis: Redis, egress: str) -> None:
    clock = SetClock()
    first = Redis.from_url(settings.CONFIG.redis_url)
    WeightBudget(first, egress, clock).ban(MIDDLE_MS + 3_600_000)
    first.close()
    budget = WeightBudget(redis, egress, clock)
    assert budget.try_acquire(1, Priority.LIVE) == 3600.0
    with pytest.raises(Banned, match=r"until .* UTC"):
        budget.acquire(1, Priority.LIVE, lambda: False)
    # Nothing makes Valkey forget it by itself.
    assert redis.ttl(f"dataprovider:weight:{egress}") == -1
    clock.now_ms += 3_600_000
    assert budget.try_acquire(1, Priority.LIVE) == 0.0


def test_without_a_clock_of_its_own_it_goes_by_valkeys(redis: Redis, egress: str) -> None:
    state = WeightBudget(redis, egress).state()
    assert abs(state.now_ms - time.time() * 1000) < 5000
    assert state.minute_ms == state.now_ms // MINUTE_MS * MINUTE_MS


def test_who_waits_gets_its_turn_when_the_pause_is_over_and_gives_up_when_told_to(redis: Redis, egress: str) -> None:
    budget = WeightBudget(redis, egress)
    budget.pause(0.5)
    assert not budget.acquire(1, Priority.LIVE, patience(0.2))
    began = time.monotonic()
    assert budget.acquire(1, Priority.LIVE, patience(10))
    assert time.monotonic() - began < 5


class ClosedDoor:
    """A server that hangs up on whoever comes, and counts them."""

    def __init__(self) -> None:
        self.visitors = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            self.visitors += 1
            visitor.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def test_without_valkey_nothing_is_granted_and_nobody_turns_in_circles(egress: str) -> None:
    door = ClosedDoor()
    redis = Redis(port=door.port, retry=Retry(NoBackoff(), 0))
    budget = WeightBudget(redis, egress)
    with pytest.raises(RedisError):
        budget.try_acquire(1, Priority.LIVE)
    before = door.visitors
    assert not budget.acquire(1, Priority.LIVE, patience(2.5))
    # Waits of at least 0.25, 0.5, 1 and 2 seconds lie between the tries.
    assert 2 <= door.visitors - before <= 10
    redis.close()
    door.close()


def test_a_ban_that_could_not_be_written_down_is_before_anything_is_asked_again(redis: Redis, egress: str) -> None:
    door = ClosedDoor()
    lost = Redis(port=door.port, retry=Retry(NoBackoff(), 0))
    clock = SetClock()
    budget = WeightBudget(lost, egress, clock)
    budget.ban(MIDDLE_MS + 60_000)
    door.close()
    # Valkey is back, at its address.
    lost.connection_pool.connection_kwargs.update(redis.connection_pool.connection_kwargs)
    lost.connection_pool.reset()
    assert budget.try_acquire(1, Priority.LIVE) == 60.0
    assert WeightBudget(redis, egress, clock).state().banned_until_ms == MIDDLE_MS + 60_000
    lost.close()
