"""The fingerprint computed here is the one the store's projection has."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from clickhouse_driver import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.fingerprint import CHUNK, fingerprint, id_hash_sum, row_hashes
from tests.clickhouse.trades import NEW_YEAR, Row, columns, store

U64 = st.integers(0, 2**64 - 1) | st.integers(0, 10**12)
COUNT = st.integers(0, 2**63 - 1) | st.integers(1, 10**14)
#: Two days, so that every chosen day is compared alone.
TIME = st.integers(NEW_YEAR, NEW_YEAR + 2 * 86_400_000 - 1)
SYMBOLS = ("BTCUSDT", "币安人生USDT", "X", "1000000MOGUSDT", "BTCUSDT_261225", "A" * 40, "B" * 70)

rows = st.lists(
    st.builds(
        Row,
        aggregate_id=U64,
        time=TIME,
        price=COUNT,
        quantity=COUNT,
        first=U64,
        last=U64,
        maker=st.integers(0, 1),
        symbol=st.sampled_from(SYMBOLS),
    ),
    min_size=1,
    max_size=40,
)


@pytest.fixture
def client(migrated_clickhouse: ClickHouse) -> Iterator[Client]:
    """A plain connection, to ask the server for what no query of ours needs."""
    address = migrated_clickhouse.addresses[0]
    settings = {"server_side_params": True}
    client = Client(address.host, address.port, address.database, address.username, address.password, settings=settings)
    yield client
    client.disconnect()


def day_fingerprints(clickhouse: ClickHouse, symbol: str) -> dict[int, int]:
    """Start of the day (s) -> fingerprint, as the projection has it."""
    found = clickhouse.query("symbol_days", symbol=symbol, since=0, until=2**32 - 1)
    return {int(row[0]): int(row[5]) for row in found}


def computed(trades: Sequence[Row], symbol: str) -> dict[int, int]:
    days = {row.time // 86_400_000 * 86_400 for row in trades if row.symbol == symbol}
    return {
        day: fingerprint(
            columns([row for row in trades if row.symbol == symbol and row.time // 86_400_000 * 86_400 == day])
        )
        for day in days
    }


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trades=rows)
def test_any_trades_have_the_fingerprint_the_store_gives_them(clickhouse: ClickHouse, trades: list[Row]) -> None:
    clickhouse.run_text("TRUNCATE TABLE trades_local")
    store(clickhouse, trades)
    for symbol in SYMBOLS:
        assert day_fingerprints(clickhouse, symbol) == computed(trades, symbol)


def realistic(number: int) -> list[Row]:
    """Trades of one day as they are, more than are hashed at once."""
    chance = random.Random(1)
    first = 3_344_774_379
    made = []
    for place in range(number):
        last = first + chance.randrange(5)
        price, quantity = 42_283_58000000 + chance.randrange(10**6) * 10**6, chance.randrange(1, 10**6) * 1000
        maker = chance.randrange(2)
        made.append(Row(2_807_759_891 + place, NEW_YEAR + 3 * place, price, quantity, first, last, maker))
        first = last + 1
    return made


def test_a_long_day_has_it_too_and_in_any_order(clickhouse: ClickHouse) -> None:
    trades = realistic(2 * CHUNK + 77)
    store(clickhouse, trades)
    stored = day_fingerprints(clickhouse, "BTCUSDT")[NEW_YEAR // 1000]
    assert fingerprint(columns(trades)) == stored
    random.Random(2).shuffle(trades)
    assert fingerprint(columns(trades)) == stored
    halves = fingerprint(columns(trades[:1000])) + fingerprint(columns(trades[1000:]))
    assert halves % 2**64 == stored


@pytest.mark.parametrize("field", Row._fields)
def test_one_changed_digit_changes_it(clickhouse: ClickHouse, field: str) -> None:
    trades = realistic(1000)
    before = fingerprint(columns(trades))
    value = getattr(trades[500], field)
    other = value + "X" if isinstance(value, str) else value ^ 1
    trades[500] = Row(**{**trades[500]._asdict(), field: other})
    after = fingerprint(columns(trades))
    assert after != before
    store(clickhouse, trades)
    stored = [day_fingerprints(clickhouse, symbol)[NEW_YEAR // 1000] for symbol in {row.symbol for row in trades}]
    assert after == sum(stored) % 2**64


def test_each_trade_has_a_hash_of_its_own(clickhouse: ClickHouse) -> None:
    trades = realistic(CHUNK + 5)
    hashes = row_hashes(columns(trades))
    assert len(set(hashes.tolist())) == len(trades)
    assert hashes.tolist() == [fingerprint(columns([trade])) for trade in trades[:50]] + hashes[50:].tolist()
    assert int(hashes.sum(dtype=np.uint64)) == fingerprint(columns(trades))
    assert fingerprint(columns([])) == 0
    assert row_hashes(columns([])).dtype == np.uint64


def test_a_sum_over_ids_is_the_stores(client: Client) -> None:
    for first, last in (
        (0, 0),
        (5, 4),
        (1, 100_000),
        (2**64 - 10, 2**64 - 1),
        (3_477_868_433, 3_477_868_433 + 3 * CHUNK),
    ):
        statement = "SELECT sumWithOverflow(intHash64({first:UInt64} + number)) FROM numbers({many:UInt64})"
        asked = client.execute(statement, {"first": first, "many": last - first + 1})
        assert id_hash_sum(first, last) == asked[0][0], (first, last)
