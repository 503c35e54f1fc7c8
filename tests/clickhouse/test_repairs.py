"""A repair is fenced twice: by the shard's epoch and by the claim of the run that makes it."""

from __future__ import annotations

import pytest
from clickhouse_driver import Client
from clickhouse_driver import errors as driver

from dataprovider.clickhouse import ClickHouse, StaleClaim, StaleEpoch
from dataprovider.clickhouse.sql import sql
from dataprovider.clickhouse.trades import INSERT_SETTINGS
from tests.clickhouse.trades import NEW_YEAR, Row, columns, stored

ROWS = columns([Row(n, NEW_YEAR + n) for n in range(50)])
CLAIM = 2**62 + 5


def repair(clickhouse: ClickHouse, *, claim: int = CLAIM, epoch: int = 4, part: int = 1) -> None:
    clickhouse.insert_repair(ROWS, token=f"repair:{claim}:{part}", shard=3, epoch=epoch, claim=claim, part=part)


def test_a_repair_is_stored_once_however_often_it_is_tried(clickhouse: ClickHouse) -> None:
    repair(clickhouse)
    repair(clickhouse)
    assert stored(clickhouse) == 50


def test_a_repair_that_looked_before_the_shard_changed_hands_stores_nothing(clickhouse: ClickHouse) -> None:
    clickhouse.raise_epoch(3, 5)
    with pytest.raises(StaleEpoch):
        repair(clickhouse, epoch=4)
    assert stored(clickhouse) == 0
    repair(clickhouse, epoch=5)
    assert stored(clickhouse) == 50


def test_a_revoked_claim_stores_nothing_and_others_still_do(clickhouse: ClickHouse) -> None:
    clickhouse.revoke_claim(CLAIM, shard=3)
    with pytest.raises(StaleClaim):
        repair(clickhouse)
    assert stored(clickhouse) == 0
    repair(clickhouse, claim=CLAIM + 1)
    assert stored(clickhouse) == 50


def test_a_repair_under_way_is_ended_when_its_claim_is_revoked_and_only_that_one(clickhouse: ClickHouse) -> None:
    asleep, other = begin_repair(clickhouse, CLAIM), begin_repair(clickhouse, CLAIM + 1)
    ended = clickhouse.node_of(3).run("statements", "kill_claim", {"claim": CLAIM})
    assert [query_id for _, query_id, *_ in ended] == [f"3:4:{CLAIM}-1"]
    with pytest.raises((driver.Error, EOFError, OSError)):
        asleep.receive_end_of_insert_query()
    asleep.disconnect()
    other.disconnect()
    assert stored(clickhouse) == 0


def test_a_new_owner_of_the_shard_ends_repairs_that_began_before(clickhouse: ClickHouse) -> None:
    asleep = begin_repair(clickhouse, CLAIM)
    clickhouse.raise_epoch(3, 5)
    assert clickhouse.kill_inserts(3, below_epoch=5) == [f"3:4:{CLAIM}-1"]
    asleep.disconnect()


def begin_repair(clickhouse: ClickHouse, claim: int) -> Client:
    """A repair that has passed both fences and whose rows have not come yet."""
    address = clickhouse.node_of(3).address
    client = Client(
        address.host,
        address.port,
        address.database,
        address.username,
        address.password,
        settings={"server_side_params": True},
    )
    client.establish_connection(INSERT_SETTINGS)
    params = {"shard": 3, "epoch": 4, "claim": claim}
    client.connection.send_query(sql("statements", "insert_repair"), query_id=f"3:4:{claim}-1", params=params)
    client.connection.send_external_tables(None)
    client.receive_sample_block()
    return client
