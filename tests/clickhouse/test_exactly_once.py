"""A batch is stored once, by the epoch that owns its shard, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clickhouse_driver import errors as driver

from dataprovider.clickhouse import ClickHouse, ClickHouseUnavailable, StaleEpoch
from dataprovider.clickhouse.fence import HELD
from tests.clickhouse.inserts import begin_insert
from tests.clickhouse.proxy import proxy_to
from tests.clickhouse.trades import NEW_YEAR, Row, columns, stored
from tests.nodes import address_of
from tests.waiting import wait_until

BATCH = columns([Row(n, NEW_YEAR + n, symbol=symbol) for symbol in ("BTCUSDT", "币安人生USDT") for n in range(100)])


def insert(clickhouse: ClickHouse, sequence: int, *, epoch: int = 1, shard: int = 3) -> None:
    name = f"{shard}:{epoch}:{sequence}"
    clickhouse.insert_trades(BATCH, token=name, shard=shard, epoch=epoch, query_id=name)


def test_the_same_token_twice_stores_once(clickhouse: ClickHouse) -> None:
    insert(clickhouse, 1)
    insert(clickhouse, 1)
    assert stored(clickhouse) == 200
    insert(clickhouse, 2)
    assert stored(clickhouse) == 400


def test_a_lost_answer_is_harmless_when_the_batch_is_tried_again(clickhouse: ClickHouse) -> None:
    address = address_of(clickhouse)
    with proxy_to(address.host, address.port) as proxy:
        shaky = ClickHouse(replace(address, host="127.0.0.1", port=proxy.port), timeout=1.0)
        assert stored(shaky) == 0
        # More than the query's text, less than the rows: the whole batch arrives, its acknowledgement does not.
        proxy.lose_answers_after = 6000
        with pytest.raises(ClickHouseUnavailable):
            insert(shaky, 1)
        wait_until(lambda: stored(clickhouse) == 200, 5, "the batch whose acknowledgement was lost")
        proxy.lose_answers_after = None
        insert(shaky, 1)
        assert stored(shaky) == 200
        shaky.close()


def test_a_stale_epoch_stores_nothing_and_the_connection_still_works(clickhouse: ClickHouse) -> None:
    clickhouse.raise_epoch(3, 7)
    with pytest.raises(StaleEpoch):
        insert(clickhouse, 1, epoch=6)
    assert stored(clickhouse) == 0
    insert(clickhouse, 1, epoch=7)
    insert(clickhouse, 1, epoch=8)
    assert stored(clickhouse) == 400


def test_raising_one_shard_does_not_touch_the_others(clickhouse: ClickHouse) -> None:
    clickhouse.raise_epoch(3, 7)
    insert(clickhouse, 1, epoch=1, shard=4)
    assert stored(clickhouse) == 200


def test_an_epoch_only_grows(clickhouse: ClickHouse) -> None:
    clickhouse.raise_epoch(3, 7)
    clickhouse.raise_epoch(3, 7)
    with pytest.raises(StaleEpoch):
        clickhouse.raise_epoch(3, 6)
    assert clickhouse.epoch_of(3) == 7
    clickhouse.raise_epoch(3, 2**63)
    assert clickhouse.epoch_of(3) == 2**63


def test_an_insert_under_way_for_an_older_epoch_is_ended_and_stores_nothing(clickhouse: ClickHouse) -> None:
    asleep = begin_insert(clickhouse, shard=3, epoch=1)
    clickhouse.raise_epoch(3, 2)
    assert clickhouse.kill_inserts(3, below_epoch=2) == ["3:1:1"]
    with pytest.raises((driver.Error, EOFError, OSError)):
        asleep.receive_end_of_insert_query()
    asleep.disconnect()
    assert stored(clickhouse) == 0
    assert clickhouse.kill_inserts(3, below_epoch=2) == []


def test_inserts_of_other_shards_and_of_the_new_epoch_are_left_alone(clickhouse: ClickHouse) -> None:
    others = [begin_insert(clickhouse, shard=3, epoch=2), begin_insert(clickhouse, shard=13, epoch=1)]
    assert clickhouse.kill_inserts(3, below_epoch=2) == []
    for client in others:
        client.disconnect()


def test_a_batch_across_a_months_end_is_stored_once_too(clickhouse: ClickHouse) -> None:
    month = 31 * 86_400_000
    rows = columns([Row(n, NEW_YEAR + n * month // 2) for n in range(6)])
    for _ in range(2):
        clickhouse.insert_trades(rows, token="3:1:1", shard=3, epoch=1, query_id="3:1:1")
    assert stored(clickhouse) == 6


def test_an_empty_batch_is_nothing_to_store(clickhouse: ClickHouse) -> None:
    clickhouse.insert_trades(columns([]), token="3:1:1", shard=3, epoch=1, query_id="3:1:1")
    assert stored(clickhouse) == 0
    insert(clickhouse, 1)
    assert stored(clickhouse) == 200


def test_columns_of_a_wrong_type_or_length_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="column price is float64"):
        replace(BATCH, price=BATCH.price.astype("float64"))
    with pytest.raises(ValueError, match="column quantity"):
        replace(BATCH, quantity=BATCH.quantity[1:])


def test_an_order_to_raise_an_epoch_that_arrives_late_does_not_lower_it(clickhouse: ClickHouse) -> None:
    """Seed 185 of the simulation: two hosts that take a shard over one after the other would both have been let in."""
    for epoch in (5, 4):
        clickhouse.node_of(3).run("statements", "raise_epoch", {"shard": 3, "epoch": epoch, "held": HELD})
    assert clickhouse.epoch_of(3) == 5
