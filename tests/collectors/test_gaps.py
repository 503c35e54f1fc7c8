"""What workers find missing becomes Gap rows, each missing id once."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from collectors.books import Books, Record, Request
from collectors.directory import sync_symbols
from collectors.gaps import MOST_GROWN, open_gaps, reopen, settle, take_up, without
from collectors.leases import Leases
from collectors.messages import UNPROVED, GapFound
from collectors.models import Gap, ShardLease, Symbol
from dataprovider.clickhouse.shards import shard_of
from tests.collectors.test_symbols import entry


@pytest.fixture
def _symbol(db: None) -> None:
    sync_symbols([entry("BTCUSDT")])


def ranges() -> list[tuple[int, int, str]]:
    return list(Gap.objects.order_by("first_id").values_list("first_id", "last_id", "cause"))


@pytest.mark.usefixtures("_symbol")
def test_a_gap_is_opened_once_however_often_it_is_found() -> None:
    found = GapFound("BTCUSDT", 10, 19, "stream", before_ms=1, after_ms=2)
    assert (open_gaps([found]), open_gaps([found, found])) == (1, 0)
    assert ranges() == [(10, 19, "stream")]
    assert Gap.objects.get().status == "open"


@pytest.mark.usefixtures("_symbol")
def test_only_the_ids_that_no_gap_covers_are_added() -> None:
    open_gaps([GapFound("BTCUSDT", 10, 19, "stream")])
    open_gaps([GapFound("BTCUSDT", 5, 30, "unclean_stop")])
    assert ranges() == [(5, 9, "unclean_stop"), (10, 19, "stream"), (20, 30, "unclean_stop")]


@pytest.mark.usefixtures("_symbol")
def test_a_gap_that_is_found_again_is_known_also_when_there_is_a_later_one() -> None:
    """Seed 115 of the simulation: 12 to 11 was opened too; Postgres refuses that, and all that followed."""
    found = [GapFound("BTCUSDT", 5, 11, "stream"), GapFound("BTCUSDT", 20, 20, "stream")]
    assert open_gaps(found) == 2
    assert open_gaps([*found, GapFound("BTCUSDT", 30, 30, "stream")]) == 1
    assert [each[:2] for each in ranges()] == [(5, 11), (20, 20), (30, 30)]


@pytest.mark.usefixtures("_symbol")
def test_batches_that_cannot_be_kept_make_one_gap_that_grows() -> None:
    def lost(first: int, last: int, cause: str = "spool_full") -> int:
        return open_gaps([GapFound("BTCUSDT", first, last, cause, first, last)])

    assert [lost(10, 19), lost(20, 29), lost(20, 29)] == [1, 0, 0]
    assert open_gaps([GapFound("BTCUSDT", first, first + 9, "spool_full", first, first + 9) for first in (30, 40)]) == 0
    assert ranges() == [(10, 49, "spool_full")]
    gap = Gap.objects.get()
    assert (gap.before_ms, gap.after_ms) == (10, 49)
    # What does not go on with it is another one, and so is what has another cause.
    assert [lost(51, 59), lost(60, 69, "refused"), lost(70, 79, "stream"), lost(80, 89, "stream")] == [1, 1, 1, 1]
    # A long outage makes gaps of a size that recovery likes.
    lost(1000, 1000 + MOST_GROWN - 2)
    assert [lost(1000 + MOST_GROWN - 1, 1000 + MOST_GROWN - 1), lost(1000 + MOST_GROWN, 20_000)] == [0, 1]
    # In one call likewise: what waited for Postgres.
    waited = [GapFound("BTCUSDT", first, first + 9, "refused", first, first) for first in range(50_000, 60_100, 10)]
    assert open_gaps(waited) == 2


@pytest.mark.usefixtures("_symbol")
def test_a_gap_grows_only_while_nobody_recovers_it_and_nobody_settles_what_it_grew_by() -> None:
    open_gaps([GapFound("BTCUSDT", 10, 19, "spool_full")])
    early, late = Gap.objects.get(), Gap.objects.get()
    open_gaps([GapFound("BTCUSDT", 20, 29, "spool_full")])
    # Recovery saw it when it was shorter.
    assert take_up([early]) == []
    assert not settle(late, [], still_missing=False)
    assert not settle(late, [(10, 19, {"source": "rest"})], still_missing=False)
    (gap,) = take_up(Gap.objects.all())
    assert open_gaps([GapFound("BTCUSDT", 30, 39, "spool_full")]) == 1
    assert reopen(gap, "once more")
    assert ranges() == [(10, 29, "spool_full"), (30, 39, "spool_full")]
    # Where one was found before, the later one grows.
    assert open_gaps([GapFound("BTCUSDT", 40, 49, "spool_full")]) == 0
    assert settle(Gap.objects.get(first_id=10), [], still_missing=False)
    assert set(Gap.objects.values_list("first_id", "last_id", "status")) == {
        (10, 29, "recovered"),
        (30, 49, "open"),
    }


@pytest.mark.usefixtures("_symbol")
@pytest.mark.parametrize("wrong", [{"first_id": 9, "last_id": 8}, {"status": "lost"}])
def test_the_database_refuses_a_gap_that_makes_no_sense(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"first_id": 1, "last_id": 2, "cause": "stream", **wrong}
    with pytest.raises(IntegrityError), transaction.atomic():
        Gap.objects.create(symbol=Symbol.objects.get(), **fields)


@given(st.integers(0, 40), st.integers(0, 40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)), max_size=6))
def test_the_parts_left_are_exactly_the_ids_not_covered(first: int, size: int, covers: list[tuple[int, int]]) -> None:
    known = [(start, start + length) for start, length in covers]
    parts = without(first, first + size, known)
    assert all(a <= b for a, b in parts)
    left = {each for a, b in parts for each in range(a, b + 1)}
    covered = {each for a, b in known for each in range(a, b + 1)}
    assert left == set(range(first, first + size + 1)) - covered


@pytest.mark.usefixtures("_symbol")
def test_what_was_found_under_an_epoch_that_is_over_is_left_to_the_new_owner() -> None:
    """A host that was cut off calls missing what the new owner has received and not yet stored: recovery would store it
    too. Whoever takes a shard looks for itself what is missing."""
    ShardLease.objects.create(shard=shard_of("BTCUSDT"), owner="the new one", epoch=8)
    stale = GapFound("BTCUSDT", 10, 19, "reconnect", epoch=7)
    # Seed 8527 of the simulation: the new owner had received the same first trade and was waiting for a second.
    first_of_all = GapFound("BTCUSDT", 5, 5, "restart", evidence={UNPROVED: True}, epoch=7)
    assert open_gaps([stale, first_of_all, GapFound("BTCUSDT", 30, 39, "check")]) == 1
    assert ranges() == [(30, 39, "check")]
    assert open_gaps([GapFound("BTCUSDT", 10, 19, "reconnect", epoch=8)]) == 1


@pytest.mark.usefixtures("_symbol")
def test_what_a_worker_found_before_it_died_is_written_down_before_its_epoch_is_over() -> None:
    leases = Leases("host:1:2-3")
    leases.join(1)
    epochs = leases.acquire(16)
    shard = shard_of("BTCUSDT")
    found = GapFound("BTCUSDT", 10, 19, "stream", epoch=epochs[shard])
    # The connection of this test's transaction is to stay.
    books = Books(leases, dict, record=Record(refresh=lambda: None))
    answer = books.update(Request(used_epochs={shard: epochs[shard]}, gaps=[found]))
    assert answer.epochs[shard] == epochs[shard] + 1
    assert ranges() == [(10, 19, "stream")]
